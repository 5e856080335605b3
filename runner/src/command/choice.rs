//! Which instance is meant.

use serde_json::Value;

use super::client::{PAGE, Refusal};
use super::resource::Resource;
use super::session::Session;
use super::table::text;

/// An instance that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether it is removed and not erased yet.
    is_removed: bool,
}

impl Session<'_> {
    /// Lists all instances, as the management API does.
    pub(super) async fn instances(&self) -> Result<Value, Refusal> {
        let all = Resource::new(["instances"]);
        self.wait(
            "reading the instances",
            self.client.list(&all, None, PAGE, None),
        )
        .await
    }

    /// Returns the instance with this id or name; the only one if none is named.
    ///
    /// # Errors
    ///
    /// There is none, or it is not clear which is meant.
    pub(super) async fn instance(&self, named: Option<&str>) -> Result<Chosen, Refusal> {
        choose(&chosen(&self.instances().await?), named).map_err(Refusal::new)
    }

    /// Returns the id of the instance that is named by id or name. One that is not there is taken for the id of a removed one, whose
    /// executions are kept.
    pub(super) async fn instance_id(&mut self, named: &str) -> Result<String, Refusal> {
        let all = chosen(&self.instances().await?);
        if !all.iter().any(|one| one.id == named || one.name == named) {
            self.console.note(&format!(
                "there is no instance `{named}` now; looking for one with this id that was removed"
            ));
            return Ok(named.to_owned());
        }
        let one = choose(&all, Some(named)).map_err(Refusal::new)?;
        Ok(one.id)
    }
}

fn chosen(list: &Value) -> Vec<Chosen> {
    let items = list.get("items").and_then(Value::as_array);
    let items = items.into_iter().flatten();
    items
        .map(|item| Chosen {
            id: text(item.get("id")),
            name: text(item.get("name")),
            is_removed: item.get("status").is_some_and(|status| status == "REMOVED"),
        })
        .collect()
}

/// A removed instance is meant where its id is given, or its name and no other has that.
fn choose(all: &[Chosen], named: Option<&str>) -> Result<Chosen, String> {
    let there: Vec<_> = all.iter().filter(|one| !one.is_removed).cloned().collect();
    let Some(named) = named else {
        return match there.as_slice() {
            [] => Err("no instance is deployed; deploy one with `deploy`".to_owned()),
            [only] => Ok(only.clone()),
            several => Err(format!("say which instance: {}", told(several))),
        };
    };
    if let Some(found) = all.iter().find(|one| one.id == named) {
        return Ok(found.clone());
    }
    let with_name = |some: &[Chosen]| -> Vec<Chosen> {
        let found = some.iter().filter(|one| one.name == named);
        found.cloned().collect()
    };
    let mut found = with_name(&there);
    if found.is_empty() {
        found = with_name(all);
    }
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] if all.is_empty() => Err(format!(
            "there is no instance `{named}`, nor any other; deploy one with `deploy`"
        )),
        [] => Err(format!(
            "there is no instance `{named}`; there is {}",
            told(all)
        )),
        several => Err(format!(
            "several instances are called `{named}`; name one by its id: {}",
            told(several)
        )),
    }
}

/// So many instances are named in a sentence.
const TOLD: usize = 5;

fn told(all: &[Chosen]) -> String {
    let mut words: Vec<String> = all
        .iter()
        .take(TOLD)
        .map(|one| format!("`{}` ({})", one.name, one.id))
        .collect();
    if all.len() > TOLD {
        words.push(format!("{} more, see `instances`", all.len() - TOLD));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(all: &[(&str, &str)]) -> Vec<Chosen> {
        let one = |(id, name): &(&str, &str)| Chosen {
            id: (*id).to_owned(),
            name: (*name).to_owned(),
            is_removed: false,
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn an_instance_is_named_by_id_or_name_and_the_only_one_need_not_be_named() {
        let two = instances(&[("i1", "local"), ("i2", "acme")]);
        assert_eq!(choose(&two, Some("i2")).unwrap().id, "i2");
        assert_eq!(choose(&two, Some("local")).unwrap().id, "i1");
        assert_eq!(
            choose(&instances(&[("i1", "local")]), None).unwrap().id,
            "i1"
        );
    }

    /// E52: a removed instance is not in the way of the others.
    #[test]
    fn a_removed_instance_is_named_by_its_id_or_by_a_name_that_no_other_has() {
        let mut all = instances(&[("i1", "acme"), ("i2", "acme"), ("i3", "old")]);
        for one in [0, 2] {
            all[one].is_removed = true;
        }
        for (named, wanted) in [
            (None, "i2"),
            (Some("acme"), "i2"),
            (Some("old"), "i3"),
            (Some("i1"), "i1"),
        ] {
            assert_eq!(choose(&all, named).unwrap().id, wanted, "{named:?}");
        }
    }

    #[test]
    fn an_id_goes_before_a_name() {
        let two = instances(&[("i1", "i2"), ("i2", "x")]);
        assert_eq!(choose(&two, Some("i2")).unwrap().name, "x");
    }

    #[track_caller]
    fn check(all: &[(&str, &str)], named: Option<&str>, wanted: &str) {
        assert_eq!(choose(&instances(all), named).unwrap_err(), wanted);
    }

    #[test]
    fn what_is_not_clear_is_asked_back() {
        check(
            &[],
            None,
            "no instance is deployed; deploy one with `deploy`",
        );
        check(
            &[("i1", "a"), ("i2", "b")],
            None,
            "say which instance: `a` (i1), `b` (i2)",
        );
        check(
            &[("i1", "a")],
            Some("z"),
            "there is no instance `z`; there is `a` (i1)",
        );
        check(
            &[("i1", "a"), ("i2", "a")],
            Some("a"),
            "several instances are called `a`; name one by its id: `a` (i1), `a` (i2)",
        );
        let many: Vec<_> = std::iter::repeat_n(("i", "n"), 7).collect();
        assert!(
            choose(&instances(&many), None)
                .unwrap_err()
                .ends_with("2 more, see `instances`")
        );
    }
}
