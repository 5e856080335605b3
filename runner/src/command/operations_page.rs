//! The page `docs/operations.md` says what is so.

use clap::CommandFactory as _;
use serde_json::Value;

use super::settings_file::{self, SettingsFile};
use super::{Arguments, Failure};
use crate::settings::Settings;

const PAGE: &str = include_str!("../../../docs/operations.md");

fn settings_on_the_page() -> &'static str {
    let block = PAGE.split("```toml\n").nth(1).unwrap();
    block.split("```").next().unwrap()
}

fn read(text: &str) -> Result<SettingsFile, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    settings_file::read(Some(&path))
}

/// The keys of a table, as the refusal of an unknown one lists them.
fn keys_of(table: &str) -> Vec<String> {
    let refusal = read(&format!("[{table}]\nunheard_of = 1")).unwrap_err().0;
    let (_, expected) = refusal.split_once("expected one of").unwrap();
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_settings_file_of_the_page_holds_every_key_at_its_default() {
    let file = read(settings_on_the_page()).unwrap();
    let usual = SettingsFile::default();
    assert_eq!(file.settings, usual.settings);
    assert_eq!(file.limits, usual.limits);
    assert_eq!(file.store, usual.store);
    assert_eq!(file.flow_threads, None);

    let written: toml::Table = settings_on_the_page().parse().unwrap();
    let Value::Object(keys) = serde_json::to_value(Settings::default()).unwrap() else {
        panic!("settings are a table");
    };
    for key in keys.keys() {
        assert!(written.contains_key(key), "`{key}` is missing");
    }
    for table in ["listener", "store"] {
        let keys = keys_of(table);
        assert!(keys.len() > 1, "{keys:?}");
        for key in keys {
            let is_set = written[table].as_table().unwrap().contains_key(&key);
            let is_told = settings_on_the_page().contains(&format!("\n# {key} = "));
            assert!(is_set || is_told, "`{key}` of `[{table}]` is missing");
        }
    }
}

/// A key that the page shows without setting it exists too.
#[test]
fn a_setting_that_the_page_leaves_unset_can_be_set_to_what_it_shows() {
    let shown: Vec<&str> = settings_on_the_page()
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let unset = read(settings_on_the_page()).unwrap();
    let set = read(&shown.join("\n")).unwrap();
    assert_eq!(set.settings, unset.settings);
    assert!(unset.flow_threads.is_none() && set.flow_threads.is_some());
    assert!(unset.store.max_bytes.is_none() && set.store.max_bytes.is_some());
}

#[test]
fn what_the_page_says_in_days_is_what_it_says_in_seconds() {
    let mut told = 0;
    for line in settings_on_the_page().lines() {
        let Some((setting, words)) = line.split_once(" # ") else {
            continue;
        };
        let Some(days) = words
            .split(": ")
            .nth(1)
            .and_then(|it| it.strip_suffix(" days"))
        else {
            continue;
        };
        let (key, seconds) = setting.split_once(" = ").unwrap();
        assert!(key.ends_with("_seconds"), "{line}");
        let (days, seconds): (u64, u64) = (days.parse().unwrap(), seconds.trim().parse().unwrap());
        assert_eq!(seconds, days * 86_400, "{line}");
        told += 1;
    }
    assert!(told > 0, "no line tells days");
}

#[test]
fn every_setting_of_the_page_has_a_word_about_it() {
    let silent: Vec<&str> = settings_on_the_page()
        .lines()
        .filter(|line| line.contains('=') && !line.contains(" # ") && !line.starts_with("# "))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_page_lists_every_option_of_serve_with_its_variable_and_default() {
    let command = Arguments::command();
    let serve = command.find_subcommand("serve").unwrap();
    let shown = serve.get_arguments().filter(|option| !option.is_hide_set());
    for option in shown {
        let Some(name) = option.get_long().filter(|name| *name != "help") else {
            continue;
        };
        let start = format!("| `--{name}");
        let row = PAGE.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("`--{name}` is missing"));
        let variable = option.get_env().map(|variable| variable.to_str().unwrap());
        let defaults = option.get_default_values().iter();
        let defaults = defaults.map(|value| value.to_str().unwrap());
        for text in variable.into_iter().chain(defaults) {
            let is_flag = text == "false";
            assert!(
                is_flag || row.contains(&format!("`{text}`")),
                "{text} in: {row}"
            );
        }
    }
    let section = PAGE.split("\n## `serve`\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `--"));
    for row in rows {
        let name = row.split([' ', '`']).next().unwrap();
        let exists = serve.get_arguments().any(|it| it.get_long() == Some(name));
        assert!(exists, "`--{name}` is no option of `serve`");
    }
}
