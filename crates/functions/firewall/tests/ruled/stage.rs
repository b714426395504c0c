//! The stage with a section's tables in memory. What `bpf.rs` asks of maps is asked of these.

use std::{collections::BTreeMap, sync::Arc};

use abi::{Action, Reason, Step, layout::from_bytes};
use classify::{Cell, Five, Key, Keyed, Kind, Slot, Verdict, WORDS};
use firewall::{
    config::Firewall,
    key::{self, ask, word},
    limit,
    logic::{self, Env},
    reject,
    rules::{self, Deeds, Effects, Outcome},
    shared::{Hit, Limit},
};
use policy::{Contents, PrefixTable, Slots, Tables};
use prefix::{TableV4, TableV6};
use testkit::sections::Scene;
use wire::{Fragment, Frame, Headers, ethernet, ipv4, parse};

/// Arrays and globals.
struct Loaded {
    slots: Vec<u64>,
    cells: Vec<Cell>,
    limits: Vec<Limit>,
    sets_v4: Option<TableV4>,
    sets_v6: Option<TableV6>,
    globals: BTreeMap<&'static str, Vec<u8>>,
    on: BTreeMap<String, u32>,
}

pub struct Stage {
    loaded: Arc<Loaded>,
    judging: Judging,
    names: BTreeMap<u32, String>,
}

/// What packets change.
struct Judging {
    loaded: Arc<Loaded>,
    /// As in the kernel, the last packet's is still there.
    key: Key,
    interface: u32,
    now: u64,
    told: bool,
    mark: Option<u32>,
    is_answered: bool,
    hits: BTreeMap<u32, Hit>,
    buckets: Vec<u64>,
    /// Of the buckets.
    seed: u64,
}

impl Stage {
    /// An error is what is said of the section.
    pub fn new(scene: &Scene, section: &str) -> Result<Self, Vec<String>> {
        let (valid, problems) = scene.read(&Firewall, section);
        let valid = valid.ok_or(problems)?;
        Ok(Self::of(&valid.tables(&scene.world(), &mut Slots::default())))
    }

    fn of(tables: &Tables) -> Self {
        fn elements<T: abi::Shared>(tables: &Tables, map: &str) -> Vec<T> {
            let Some(Contents::Array { element, bytes }) = tables.maps.get(map) else { panic!("{map}") };
            assert_eq!(*element, size_of::<T>());
            bytes.chunks(*element).map(|bytes| from_bytes(bytes).expect("whole elements")).collect()
        }
        let limits = match tables.maps.get("RULE_LIMITS") {
            Some(Contents::Entries { entries, .. }) => {
                assert!(entries.iter().zip(0_u32..).all(|(entry, key)| entry.0 == key.to_ne_bytes()));
                entries.iter().map(|(_, value)| from_bytes(value).expect("a limit")).collect()
            }
            _ => Vec::new(),
        };
        let buckets = match tables.maps.get("RULE_BUCKETS") {
            Some(Contents::Carried { max_entries, .. }) => vec![0; *max_entries as usize],
            _ => Vec::new(),
        };
        let (mut sets_v4, mut sets_v6) = (None, None);
        if let Some(Contents::Prefixes(PrefixTable::V4 { list, .. })) = tables.maps.get("RULE_SET_NODES_V4") {
            sets_v4 = Some(TableV4::in_memory(list, 0).expect("a sound list"));
        }
        if let Some(Contents::Prefixes(PrefixTable::V6 { list, .. })) = tables.maps.get("RULE_SET_NODES_V6") {
            sets_v6 = Some(TableV6::in_memory(list, 0).expect("a sound list"));
        }
        let on = tables.on.iter().map(|(name, knob)| {
            (name.clone(), from_bytes(&knob.globals["RULE_INTERFACE"]).expect("a number"))
        });
        let loaded = Arc::new(Loaded {
            slots: elements(tables, "RULE_SLOTS"),
            cells: elements(tables, "RULE_CELLS"),
            limits,
            sets_v4,
            sets_v6,
            globals: tables.everywhere.globals.clone(),
            on: on.collect(),
        });
        let judging = Judging {
            loaded: Arc::clone(&loaded),
            key: [0; WORDS],
            interface: 0,
            now: 0,
            told: false,
            mark: None,
            is_answered: false,
            hits: BTreeMap::new(),
            buckets,
            seed: 0,
        };
        let names = tables.counted.iter().map(|counted| (counted.slot, counted.subject.rule().to_owned()));
        Self { loaded, judging, names: names.collect() }
    }

    /// With buckets that other addresses share.
    pub fn seeded(mut self, seed: u64) -> Self {
        self.judging.seed = seed;
        self
    }

    /// What becomes of a frame that comes in by an interface at a time, whether it is to be told of, and the kernel's mark.
    pub fn judge(&mut self, bytes: &[u8], interface: &str, now: u64) -> (Step, bool, Option<u32>) {
        let mut copy = bytes.to_vec();
        let frame = Frame::new(&mut copy);
        let length = bytes.len() as u64;
        let judging = &mut self.judging;
        (judging.interface, judging.now) = (self.loaded.on[interface], now);
        (judging.told, judging.mark) = (false, None);
        judging.is_answered = reject::answered(bytes).is_some();
        let step = match parse(&frame, length) {
            // As it comes to the rules in the kernel.
            Ok(headers) => logic::process(&frame, &Headers::unpacked(headers.packed()), length, judging),
            Err(_) => match logic::process_malformed(&frame, length, judging) {
                Step::Next => Step::Done(Action::Pass, Reason::Malformed),
                done => done,
            },
        };
        assert_eq!(copy, bytes, "no byte is changed");
        let passes = matches!(step, Step::Next | Step::Done(Action::Pass, _));
        (step, self.judging.told, self.judging.mark.filter(|_| passes))
    }

    /// Packets and bytes by the rule's text; nothing that is zero.
    pub fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        let hits = self.judging.hits.iter();
        hits.map(|(slot, hit)| (self.names[slot].clone(), (hit.packets, hit.bytes))).collect()
    }
}

impl Loaded {
    fn global<T: abi::Shared>(&self, name: &str) -> T {
        from_bytes(&self.globals[name]).expect("a global of this size")
    }
}

impl classify::Tables for Loaded {
    fn steps(&self) -> u32 {
        self.global("RULE_STEPS")
    }

    fn cells(&self) -> u32 {
        self.global("RULE_LEAF")
    }

    fn cells_of_each(&self) -> u32 {
        self.global("RULE_LEAF_OF_EACH")
    }

    fn root(&self, index: u32) -> Slot {
        Slot(self.global::<[u64; classify::ALL_ROOTS as usize]>("RULE_ROOTS")[index as usize])
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        self.slots.get(index as usize).map(|slot| Slot(*slot))
    }

    fn cell(&self, index: u32) -> Option<&Cell> {
        self.cells.get(index as usize)
    }
}

impl Env for Judging {
    fn lookup_v4(&self, _: u32) -> u32 {
        unreachable!("there are no lists")
    }

    fn lookup_v6(&self, _: u64, _: u64) -> u32 {
        unreachable!("there are no lists")
    }

    fn hit(&mut self, slot: u32, bytes: u64) {
        let hit = self.hits.entry(slot).or_insert(Hit { packets: 0, bytes: 0 });
        hit.packets += 1;
        hit.bytes += bytes;
    }

    fn has_lists(&self) -> bool {
        self.loaded.global::<u8>("FIREWALL_LISTS") != 0
    }

    fn drops_by_default(&self) -> bool {
        self.loaded.global::<u8>("FIREWALL_DEFAULT_DROP") != 0
    }

    fn has_rules(&self) -> bool {
        self.loaded.global::<u8>("FIREWALL_RULES") != 0
    }

    fn fragments(&self) -> u8 {
        self.loaded.global("FIREWALL_FRAGMENTS")
    }

    fn judge(&mut self, frame: &Frame<'_>, headers: &Headers, bytes: u64) -> Outcome {
        let loaded = Arc::clone(&self.loaded);
        let asked: u32 = loaded.global("RULE_ASKED");
        // As in the kernel, where the plain ones have a way of their own.
        let is_plain = headers.version == 4
            && headers.transport_offset() == ethernet::HEADER + ipv4::HEADER
            && headers.fragment() == Fragment::Whole;
        if is_plain && loaded.global::<u8>("RULE_BY_FIVE") != 0 {
            let Ok(five) = key::five_of_plain(frame, headers, asked) else { return Outcome::MALFORMED };
            return rules::judge(&*loaded, &mut Acting { judging: self, bytes }, Kind::V4 as u32, five);
        }
        let five = if is_plain {
            let Ok(five) = key::fill_plain(&mut self.key, frame, headers, asked) else {
                return Outcome::MALFORMED;
            };
            five
        } else {
            if key::fill(&mut self.key, frame, headers, asked).is_err() {
                return Outcome::MALFORMED;
            }
            Five::of(&self.key)
        };
        if asked & ask::INTERFACE != 0 {
            self.key[usize::from(word::INTERFACE)] = self.interface;
        }
        let kind = Kind::of(headers.version);
        let looked_up: u8 = loaded.global("RULE_SETS");
        for (bit, at, to) in
            [(1, word::SOURCE, word::SOURCE_SETS), (2, word::DESTINATION, word::DESTINATION_SETS)]
        {
            if looked_up & bit != 0 {
                self.key[usize::from(to)] = loaded.sets_of(&self.key[usize::from(at)..][..4], kind);
            }
        }
        let key = self.key;
        if kind == Kind::V4 as u32 && loaded.global::<u8>("RULE_BY_FIVE") != 0 {
            return rules::judge(&*loaded, &mut Acting { judging: self, bytes }, kind, five);
        }
        let packet = Keyed { key: &key, five };
        rules::judge(&*loaded, &mut Acting { judging: self, bytes }, kind, packet)
    }

    fn reject(&mut self, _: &Headers, _: u64) -> Action {
        if self.is_answered { Action::Tx } else { Action::Drop }
    }

    fn redirect(&mut self, _: u32) -> Option<Action> {
        Some(Action::Redirect)
    }
}

impl Loaded {
    fn sets_of(&self, words: &[u32], kind: u32) -> u32 {
        if kind == Kind::V4 as u32 {
            return self.sets_v4.as_ref().expect("sets are looked up").lookup(words[0]);
        }
        let address = words.iter().fold(0, |address, word| address << 32 | u128::from(*word));
        self.sets_v6.as_ref().expect("sets are looked up").lookup(address)
    }
}

struct Acting<'a> {
    judging: &'a mut Judging,
    bytes: u64,
}

impl Effects for Acting<'_> {
    fn trees(&self) -> u32 {
        self.judging.loaded.global::<u8>("RULE_TREES").into()
    }

    fn has_others(&self) -> bool {
        self.judging.loaded.global::<u8>("RULE_OTHERS") != 0
    }

    fn hit(&mut self, slot: u32) {
        Env::hit(self.judging, slot, self.bytes);
    }

    fn act(&mut self, at: u32) -> bool {
        let verdict: Verdict = self.judging.loaded.cells[at as usize].verdict();
        rules::act(verdict, self)
    }
}

impl Deeds for Acting<'_> {
    fn hit(&mut self, slot: u32) {
        Env::hit(self.judging, slot, self.bytes);
    }

    fn exceeds(&mut self, limit: u32) -> bool {
        let Judging { loaded, key, now, buckets, seed, .. } = self.judging;
        let limit = &loaded.limits[limit as usize];
        let mask: u32 = loaded.global("RULE_BUCKET_MASK");
        limit::exceeds(&mut buckets[limit::bucket(limit, key, mask, *seed) as usize], *now, limit)
    }

    fn tell(&mut self, slot: u32, one_in: u32) {
        let counted = self.judging.hits.get(&slot).map_or(0, |hit| hit.packets);
        self.judging.told |= one_in != 0 && counted.is_multiple_of(one_in.into());
    }

    fn mark(&mut self, mark: u32) {
        self.judging.mark = Some(mark);
    }
}
