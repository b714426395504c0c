//! A thousand damaged configurations: none makes the reader panic, and each error says where it is.

use policy::Severity;

const LIST: &str = "# bad\n203.0.113.0/24\n2001:db8:bad::/48 # somebody\n198.51.100.7\n";

const GOOD: [&str; 5] = [
    "[[interface]]\nname = \"eth0\"\nmode = \"auto\"\n\n[sets]\noffice = [\"192.0.2.0/24\", \"2001:db8:1::/48\"]\nblocklist = { file = \"list.txt\" }\nadmins = { file = \"list.txt\", watch = true }\n\n[firewall]\ndefault = \"accept\"\nallow = [\"@office\", \"@admins\"]\ndrop = [\"@blocklist\", \"198.51.100.7\"]\n\n[counter]\nper = [\"protocol\", \"interface\"]\n\n[metrics]\nlisten = \"127.0.0.1:9479\"\n",
    "interface = [{ name = \"lan\", mode = \"skb\" }, { name = 'wan' }]\nfirewall.default = \"drop\"\nfirewall.allow = [\n  \"10.0.0.0/8\", # ours\n  \"::1\",\n]\ncounter = {}\n",
    "[[interface]]\nname = \"a\"\n[[interface]]\nname = \"b\"\n[[interface]]\nname = \"c\"\n[redirect]\ncables = [[\"a\", \"b\"]]\nreflect = [\"icmp\"]\non = [\"c\"]\n",
    "# Grüße, „nur“ ein Kommentar \u{1f980}\r\n[[interface]]\r\nname = \"é\"\r\n[counter]\r\nicmp_types = true\r\nper = [\"interface\"]\r\n",
    "[sets]\n\"quoted\" = ['192.0.2.1', \"\"\"192.0.2.2\"\"\"]\nb.file = \"list.txt\"\nb.watch = false\n[[interface]]\nname = \"eth0\"\n[firewall]\ndrop = [\"@quoted\", \"@b\"]\n[metrics]\nlisten = \"[::1]:80\"\n",
];

/// Values of every type, and what people paste.
const WRONG: [&str; 14] = [
    "1",
    "-1.5",
    "true",
    "1979-05-27T07:32:00Z",
    "[]",
    "{}",
    "\"\"",
    "[[]]",
    "[{}]",
    "nan",
    "\"@\"",
    "[\"@none\"]",
    "\"10.0.0.1/8\"",
    "'''",
];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        const LIKELY: &[u8] = b"[]{}\"'=,.#\n\r\t @/:\\\0\xff\xc3\xf0";
        if self.below(2) == 0 { LIKELY[self.below(LIKELY.len())] } else { self.below(256) as u8 }
    }
}

/// Where tokens begin: behind everything that is no letter or digit.
fn tokens(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if at > start {
                tokens.push(start..at);
            }
            tokens.push(at..at + 1);
            start = at + 1;
        }
    }
    tokens
}

fn damage(text: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(text.len());
    match random.below(8) {
        0 => {
            let end = (at + 1 + random.below(12)).min(text.len());
            text.drain(at..end);
        }
        1 => {
            let new: Vec<u8> = (0..1 + random.below(6)).map(|_| random.byte()).collect();
            text.splice(at..at, new);
        }
        2 if !text.is_empty() => {
            let other = random.below(text.len());
            text.swap(at, other);
        }
        3 => text.truncate(at),
        4 if !text.is_empty() => text[at] = random.byte(),
        5 => {
            let tokens = tokens(text);
            let one = tokens.get(random.below(tokens.len())).cloned().unwrap_or(0..0);
            let other = tokens.get(random.below(tokens.len())).cloned().unwrap_or(0..0);
            let word = text[other].to_vec();
            text.splice(one, word);
        }
        6 => {
            // A line's value becomes one of another type.
            if let Some(equals) = text[at..].iter().position(|byte| *byte == b'=').map(|offset| at + offset) {
                let end =
                    text[equals..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |o| equals + o);
                text.splice(equals + 1..end, WRONG[random.below(WRONG.len())].bytes());
            }
        }
        _ => {
            let end = (at + random.below(60)).min(text.len());
            let copy = text[at..end].to_vec();
            let to = random.below(text.len());
            text.splice(to..to, copy);
        }
    }
}

#[test]
fn a_thousand_mutations_are_read_or_refused_with_their_places() {
    for good in GOOD {
        let outcome = invariants::outcome(good.as_bytes(), LIST.as_bytes());
        let said: Vec<&str> = outcome.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert!(outcome.config.is_some() && said.is_empty(), "{said:?}\n{good}");
    }
    let mut random = Random(0x5eed);
    let (mut refused, mut sound) = (0, 0);
    for round in 0..1000 {
        let mut main = GOOD[round % GOOD.len()].as_bytes().to_vec();
        let mut list = LIST.as_bytes().to_vec();
        for _ in 0..1 + random.below(3) {
            let victim = if random.below(6) == 0 { &mut list } else { &mut main };
            damage(victim, &mut random);
        }
        let outcome = invariants::outcome(&main, &list);
        assert!(
            outcome.problems.iter().all(|problem| problem.message.len() < 1000),
            "{:?}",
            outcome.problems
        );
        let errors = || outcome.problems.iter().filter(|problem| problem.severity == Severity::Error);
        if outcome.config.is_some() {
            sound += 1;
        } else {
            refused += 1;
            assert!(errors().any(|error| error.at.is_some()), "{:?}", String::from_utf8_lossy(&main));
        }
    }
    // Damage that is always, or never, noticed would mean that the test does not try what it says.
    assert!(refused > 400 && sound > 30, "{refused} refused, {sound} sound");
}
