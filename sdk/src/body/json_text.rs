//! A JSON text that is checked and not read.

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Result, Value};

/// A JSON text that was checked and is not read yet: nothing is built that nobody looks at. It reads as a [`Value`] does, and no object
/// in it has a key twice.
#[derive(Clone, Debug)]
pub struct JsonText(Bytes);

impl JsonText {
    /// Checks a text: `None` if an object in it may have a key twice. What reads such a text straight and what reads it by way of a
    /// [`Value`] need not find the same.
    pub(super) fn check(text: &Bytes) -> Result<Option<Self>> {
        let mut keys = Keys {
            open: Vec::with_capacity(ROOM),
            is_repeated: false,
        };
        let mut reader = serde_json::Deserializer::from_str(as_str(text)?);
        Check(&mut keys).deserialize(&mut reader)?;
        reader.end()?;
        Ok((!keys.is_repeated).then(|| Self(text.clone())))
    }

    /// Returns the text.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Reads the text as `T`. What does not fit is read again by way of a [`Value`]: that is a little more lenient, and its faults are
    /// told without a line and a column, which nobody sees who sent or wrote something else.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        self.read()
            .or_else(|_| T::deserialize(self.read::<Value>()?))
    }

    /// Reads the text.
    pub(super) fn to_value(&self) -> Value {
        // It is well formed, so there is no other.
        self.read().unwrap_or_default()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(as_str(&self.0)?)
    }
}

/// Says once for a whole text that it is UTF-8, which is much cheaper than for each string in it.
fn as_str(text: &[u8]) -> Result<&str> {
    std::str::from_utf8(text).map_err(serde_json::Error::custom)
}

/// As many keys of objects that are open at the same time have room from the start.
const ROOM: usize = 32;

/// The keys of the objects that are being read.
struct Keys {
    /// Hashes: two keys that share one are taken for a repeated one, which does no harm.
    open: Vec<u64>,
    is_repeated: bool,
}

/// Takes in exactly what a [`Value`] takes in, and keeps nothing but the hashes of keys.
struct Check<'a>(&'a mut Keys);

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> std::result::Result<(), D::Error> {
        // What is ignored is not checked, so it is asked for as if it were kept.
        from.deserialize_any(self)
    }
}

macro_rules! take {
    ($($method:ident($($type:ty)?)),*) => {
        $(
            fn $method<E>(self $(, _: $type)?) -> std::result::Result<(), E> {
                Ok(())
            }
        )*
    };
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = ();

    take!(
        visit_bool(bool),
        visit_i64(i64),
        visit_u64(u64),
        visit_f64(f64),
        visit_str(&str),
        visit_unit()
    );

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<(), A::Error> {
        while list.next_element_seed(Check(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<(), A::Error> {
        let Check(keys) = self;
        let first = keys.open.len();
        while let Some(KeyHash(hash)) = object.next_key()? {
            keys.open.push(hash);
            object.next_value_seed(Check(keys))?;
        }
        if let Some(own) = keys.open.get_mut(first..) {
            own.sort_unstable();
            keys.is_repeated |= own.array_windows().any(|[one, next]| one == next);
        }
        keys.open.truncate(first);
        Ok(())
    }
}

/// A key, of which only the hash is kept.
struct KeyHash(u64);

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct OfText;

        impl Visitor<'_> for OfText {
            type Value = KeyHash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> std::result::Result<KeyHash, E> {
                Ok(KeyHash(hash(key)))
            }
        }

        from.deserialize_str(OfText)
    }
}

/// FNV-1a: keys are short, and whoever makes two of them meet gains nothing.
fn hash(key: &str) -> u64 {
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    key.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}
