use serde_json::{Value, json};

use super::{
    Code, ConfigValue as _, ConfigVar, ConfigVars as _, Date, FieldMap, Json, ObjectSelection, Xml,
};
use crate::Schedule;

#[derive(Debug, crate::ConfigVars)]
struct Config {
    /// How many orders are fetched at once.
    #[config(default = 50, min = 1, max = 100)]
    page_size: u32,
    #[config(min_length = 2, max_length = 4)]
    country: Option<String>,
    #[config(max_length = 2)]
    days: Option<Vec<Date>>,
    #[config(default = "0 7 * * *", time_zone = "Europe/Paris")]
    report_at: Schedule,
    template: Option<Code<Json>>,
    objects: Option<ObjectSelection>,
    fields: Option<FieldMap>,
}

fn fault(values: &Value) -> String {
    let faults = Config::decode(values.as_object().unwrap()).unwrap_err();
    faults.to_string()
}

#[test]
fn a_value_beyond_its_bounds_is_refused_and_the_schema_tells_them_e54() {
    for (values, said) in [
        (json!({"page_size": 0}), "`page_size` must be 1 or more"),
        (json!({"page_size": 101}), "`page_size` must be 100 or less"),
        (
            json!({"country": "ü"}),
            "`country` must have at least 2 characters",
        ),
        (
            json!({"country": "fünf!"}),
            "`country` must have at most 4 characters",
        ),
        (
            json!({"days": ["2026-01-01", "2026-01-02", "2026-01-03"]}),
            "`days` must have at most 2 items",
        ),
    ] {
        assert_eq!(fault(&values), said);
    }
    let fits = json!({"page_size": 100, "country": "fünf"});
    assert_eq!(
        Config::decode(fits.as_object().unwrap()).unwrap().page_size,
        100
    );
    let schemas: Vec<Value> = Config::variables().iter().map(ConfigVar::schema).collect();
    assert_eq!(schemas[0]["minimum"], json!(1));
    assert_eq!(schemas[0]["maximum"], json!(100));
    assert_eq!(schemas[1]["minLength"], json!(2));
    assert_eq!(schemas[2]["maxItems"], json!(2));
}

#[test]
fn dates_code_selections_and_maps_are_checked_at_deploy_e54() {
    for (values, begins) in [
        (
            json!({"days": ["2026-02-30"]}),
            "`days` item 1 must be a date",
        ),
        (
            json!({"days": ["2026-03-27T10:00:00Z"]}),
            "`days` item 1 must be a date",
        ),
        (json!({"template": "{"}), "`template` must be JSON: "),
        (json!({"objects": [{}]}), "`objects` must be a list such as"),
        (json!({"fields": [1]}), "`fields` must be an object such as"),
    ] {
        let said = fault(&values);
        assert!(said.starts_with(begins), "{said}");
    }
    let values = json!({
        "days": ["2026-03-27"],
        "template": "{\"a\": 1}",
        "objects": [{"object": {"key": "contact", "label": "Contact"}, "fields": [{"key": "email"}]}],
        "fields": {"fields": [{"field": "email", "mapped_object": "contact", "mapped_field": "mail_1"}]},
    });
    let config = Config::decode(values.as_object().unwrap()).unwrap();
    let map = config.fields.clone().unwrap();
    assert_eq!(
        (map.mapped("email"), map.mapped("x")),
        (Some("mail_1"), None)
    );
    let encoded = config.encode();
    for (name, value) in values.as_object().unwrap() {
        assert_eq!(&encoded[name], value);
    }
    assert!(Code::<Xml>::decode(&json!("<a><b/></a>")).is_ok());
    for not_whole in ["<a><b></a>", "<a>", "", "text"] {
        assert!(Code::<Xml>::new(not_whole).is_err(), "{not_whole}");
    }
}

/// E12: the declared zone is for every form in which a schedule is written, and for none that names its own.
#[test]
fn the_declared_zone_holds_for_every_form_of_a_schedule_e12() {
    let paris = |schedule: Schedule| schedule.in_zone("Europe/Paris");
    for (written, schedule) in [
        (json!("0 8 * * *"), paris(Schedule::cron("0 8 * * *"))),
        (
            json!("every 2 days"),
            paris(Schedule::every(crate::time::days(2))),
        ),
        (json!("once"), paris(Schedule::once())),
        (
            json!({"every": "2 days"}),
            paris(Schedule::every(crate::time::days(2))),
        ),
        (
            json!({"cron": "0 8 * * *", "time_zone": "UTC"}),
            Schedule::cron("0 8 * * *"),
        ),
    ] {
        let values = json!({"report_at": written});
        let config = Config::decode(values.as_object().unwrap()).unwrap();
        assert_eq!(config.report_at, schedule, "{written}");
        assert_eq!(
            Config::decode(&config.encode()).unwrap().report_at,
            schedule,
            "{written}"
        );
    }
}
