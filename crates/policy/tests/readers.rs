//! Every reader of a field, with what is right and with everything that can be wrong.

use policy::{Field, Function, Problems, Section, Shape, Slots, Tables, Valid, World};
use testkit::sections::Scene;

const FIELDS: &[Field] = &[
    field("choice", Shape::Choice(&["auto", "native|drv", "generic|skb"]), "\"auto\""),
    field("choices", Shape::Choices(&["protocol", "interface"]), "[\"protocol\", \"interface\"]"),
    field("bool", Shape::Bool, "true"),
    field("count", Shape::Count(1000), "16"),
    field("prefixes", Shape::Prefixes, ""),
    field("interfaces", Shape::Interfaces, ""),
    field("cables", Shape::Cables, ""),
    field("listen", Shape::Listen, ""),
    field("text", Shape::Text, ""),
];

const fn field(name: &'static str, shape: Shape, default: &'static str) -> Field {
    Field { name, shape, about: "for the test", default }
}

/// Reads every field, and says what it read.
struct Everything;

struct Said(String);

impl Valid for Said {
    fn tables(&self, _: &World<'_>, slots: &mut Slots) -> Tables {
        slots.take(&self.0);
        Tables::default()
    }
}

impl Function for Everything {
    fn name(&self) -> &'static str {
        "everything"
    }

    fn about(&self) -> &'static str {
        "for the test"
    }

    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn read(
        &self,
        section: &Section<'_>,
        world: &World<'_>,
        problems: &mut Problems,
    ) -> Option<Box<dyn Valid>> {
        let before = problems.errors();
        let choice = section.choice("choice", problems);
        let choices = section.choices("choices", problems);
        let bool = section.bool("bool", problems);
        let count = section.count("count", problems);
        let prefixes = section.prefixes("prefixes", world, problems);
        let interfaces = section.interfaces("interfaces", world, problems);
        let cables = section.cables("cables", world, problems);
        let listen = section.listen("listen", problems);
        let text = section.text("text", problems);
        if problems.errors() > before {
            return None;
        }
        let choices: Option<Vec<&str>> =
            choices.map(|words| words.into_iter().map(|word| word.word).collect());
        let prefixes: Vec<String> = prefixes.into_iter().map(|item| format!("{:?}", item.what)).collect();
        let interfaces: Option<Vec<String>> =
            interfaces.map(|names| names.into_iter().map(|name| name.text).collect());
        let cables: Vec<[String; 2]> =
            cables.into_iter().map(|cable| cable.ends.map(|end| end.text)).collect();
        let said = format!(
            "{:?} {choices:?} {bool:?} {count:?} {prefixes:?} {interfaces:?} {cables:?} {listen:?} {:?}",
            choice.map(|choice| choice.word),
            text.map(|text| text.text),
        );
        Some(Box::new(Said(said)))
    }
}

fn scene() -> Scene {
    Scene::new(&["eth0", "eth1"], &[("office", &["192.0.2.0/24"])])
}

fn said(text: &str) -> String {
    let (valid, problems) = scene().read(&Everything, text);
    assert_eq!(problems, Vec::<String>::new(), "{text}");
    let mut slots = Slots::default();
    valid.expect("no problems").tables(&scene().world(), &mut slots);
    slots.iter().map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn what_is_absent_has_its_default() {
    let expected = r#"Some("auto") Some(["protocol", "interface"]) Some(true) Some(16) [] None [] None None"#;
    assert_eq!(said(""), expected);
}

#[test]
fn what_is_written_is_read() {
    let text = r#"
choice = "drv"
choices = ["interface"]
bool = false
count = 0x3_e8
prefixes = ["@office", "198.51.100.7"]
interfaces = ["eth1"]
cables = [["eth0", "eth1"]]
listen = "[::1]:9479"
text = "any"
"#;
    let expected = r#"Some("native") Some(["interface"]) Some(false) Some(1000) ["Set(\"office\")", "Prefix(V4(Prefix { addr: 3325256711, len: 32 }))"] Some(["eth1"]) [["eth0", "eth1"]] Some([::1]:9479) Some("any")"#;
    assert_eq!(said(text), expected);
}

#[test]
fn every_mistake_is_named_where_it_stands() {
    let cases: &[(&str, &[&str])] = &[
        ("choice = 3", &[r#"error 1:10 `3`: `choice` wants "auto", "native" or "generic", not an integer"#]),
        (
            "choice = \"nativ\"",
            &[
                r#"error 1:10 `"nativ"`: `choice` wants "auto", "native" or "generic", not "nativ"; did you mean `native`?"#,
            ],
        ),
        (
            "choices = \"protocol\"",
            &[
                r#"error 1:11 `"protocol"`: `choices` wants an array of "protocol" or "interface", not "protocol"; write it in brackets: ["protocol"]"#,
            ],
        ),
        (
            "choices = [\"protocl\", 1.5]",
            &[
                r#"error 1:12 `"protocl"`: `choices` wants "protocol" or "interface", not "protocl"; did you mean `protocol`?"#,
                r#"error 1:23 `1.5`: `choices` wants "protocol" or "interface", not a float"#,
            ],
        ),
        (
            "bool = \"true\"",
            &[r#"error 1:8 `"true"`: `bool` wants true or false, not "true"; write it without quotes"#],
        ),
        ("count = 1001", &["error 1:9 `1001`: `count` wants a whole number from 1 to 1000, not an integer"]),
        ("count = 0", &["error 1:9 `0`: `count` wants a whole number from 1 to 1000, not an integer"]),
        ("count = -5", &["error 1:9 `-5`: `count` wants a whole number from 1 to 1000, not an integer"]),
        ("count = \"5\"", &[r#"error 1:9 `"5"`: `count` wants a whole number from 1 to 1000, not "5""#]),
        ("bool = 1979-05-27", &["error 1:8 `1979-05-27`: `bool` wants true or false, not a date"]),
        (
            "prefixes = [\"10.0.0.1/8\", \"@ofice\", \"office\", true]",
            &[
                r#"error 1:13 `"10.0.0.1/8"`: `10.0.0.1/8` has bits set behind its length: did you mean 10.0.0.0/8?"#,
                r#"error 1:27 `"@ofice"`: there is no set `ofice`; did you mean `@office`?"#,
                r#"error 1:37 `"office"`: `office` is no IP address or prefix: write 192.0.2.0/24, 192.0.2.7, 2001:db8::/32 or 2001:db8::1; a set is written `@office`"#,
                r#"error 1:47 `true`: `prefixes` wants an array of prefixes, addresses and "@set", not true"#,
            ],
        ),
        (
            "prefixes = [\"@blocked\"]",
            &[
                r#"error 1:13 `"@blocked"`: there is no set `blocked`; declare it in [sets]: blocked = ["192.0.2.0/24"]"#,
            ],
        ),
        (
            "interfaces = [\"eth2\", \"wan\"]",
            &[
                r#"error 1:15 `"eth2"`: there is no [[interface]] with the name `eth2`; did you mean `eth0`?"#,
                r#"error 1:23 `"wan"`: there is no [[interface]] with the name `wan`; add it to the configuration: [[interface]] name = "wan""#,
            ],
        ),
        (
            "cables = [[\"eth0\"], [\"eth0\", \"wan0\"], \"eth0\"]",
            &[
                r#"error 1:11 `["eth0"]`: `cables` wants an array of pairs of interfaces, as [["eth0", "eth1"]], not an array; a cable has two ends"#,
                r#"error 1:30 `"wan0"`: there is no [[interface]] with the name `wan0`; add it to the configuration: [[interface]] name = "wan0""#,
                r#"error 1:39 `"eth0"`: `cables` wants an array of pairs of interfaces, as [["eth0", "eth1"]], not "eth0"; a cable has two ends"#,
            ],
        ),
        (
            "listen = \"9479\"",
            &[
                r#"error 1:10 `"9479"`: `listen` wants an address and a port, as "127.0.0.1:9479", not "9479""#,
            ],
        ),
        ("text = {}", &["error 1:8 `{}`: `text` wants a text in quotes, not a table"]),
        (
            "chioce = 1\ncolour = 2",
            &[
                "error 1:1 `chioce`: there is no key `chioce` here; did you mean `choice`?",
                "error 2:1 `colour`: there is no key `colour` here; what can stand here: `choice`, `choices`, `bool`, `count`, `prefixes`, `interfaces`, `cables`, `listen`, `text`",
            ],
        ),
    ];
    for (text, expected) in cases {
        let (valid, problems) = scene().read(&Everything, text);
        assert_eq!(problems, *expected, "{text}");
        // An unknown key alone does not keep the rest from being read.
        assert_eq!(valid.is_some(), text.contains("colour"), "{text}");
    }
}
