//! Writes values as JSON, and refuses the numbers that JSON does not know: `serde_json` would write `null` for them without a word, and
//! what reads the document would find nothing where a number was.

use serde::Serialize;
use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

/// Writes a document.
///
/// # Errors
///
/// A number that is not finite, a map whose keys are not texts, or whatever the value itself refuses.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    value.serialize(Check)?;
    serde_json::to_vec(value)
}

/// Makes a value.
///
/// # Errors
///
/// As for [`to_vec`].
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, Error> {
    value.serialize(Check)?;
    serde_json::to_value(value)
}

/// Writes nothing, and refuses numbers that are not finite.
#[derive(Clone, Copy)]
struct Check;

fn check(number: f64) -> Result<(), Error> {
    if number.is_finite() {
        return Ok(());
    }
    let text = format!("{number} is no number in JSON; use `None` or a text instead");
    Err(Error::custom(text))
}

macro_rules! pass {
    ($($method:ident: $type:ty),*) => {
        $(
            fn $method(self, _value: $type) -> Result<(), Error> {
                Ok(())
            }
        )*
    };
}

type Name = &'static str;

impl Serializer for Check {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    pass!(serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: Name);
    pass!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);
    pass!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);

    fn serialize_f32(self, number: f32) -> Result<(), Error> {
        check(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Error> {
        check(number)
    }

    fn serialize_none(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: Name, _: u32, _: Name) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: Name,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        _: Name,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: Name, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: Name, _: u32, _: Name, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: Name, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: Name, _: u32, _: Name, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! compound {
    ($($kind:ident: $($method:ident($($name:ident)?)),+;)+) => {
        $(
            impl $kind for Check {
                type Ok = ();
                type Error = Error;

                $(
                    fn $method<T: Serialize + ?Sized>(&mut self, $($name: Name,)? value: &T) -> Result<(), Error> {
                        value.serialize(*self)
                    }
                )+

                fn end(self) -> Result<(), Error> {
                    Ok(())
                }
            }
        )+
    };
}

compound! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(_name);
    SerializeStructVariant: serialize_field(_name);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Reading {
        Nothing,
        One(f32),
        Pair(f64, f64),
        Named { at: Option<f64> },
    }

    #[test]
    fn a_number_that_json_does_not_know_is_refused_wherever_it_stands() {
        let nan = f64::NAN;
        let refused: [&dyn Fn() -> Result<Value, Error>; 7] = [
            &|| to_value(&nan),
            &|| to_value(&Some(f32::INFINITY)),
            &|| to_value(&[1.0, nan]),
            &|| to_value(&BTreeMap::from([("a", (0, f64::NEG_INFINITY))])),
            &|| to_value(&Reading::One(f32::NAN)),
            &|| to_value(&Reading::Pair(0.0, nan)),
            &|| to_value(&Reading::Named { at: Some(nan) }),
        ];
        for refused in refused {
            let refusal = refused().unwrap_err().to_string();
            assert!(
                refusal.ends_with("is no number in JSON; use `None` or a text instead"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn everything_else_is_written_as_ever() {
        let values = (
            Reading::Nothing,
            Reading::Named { at: None },
            BTreeMap::from([(7, 'x')]),
            u128::from(u64::MAX),
        );
        let document = to_vec(&values).unwrap();
        assert_eq!(document, serde_json::to_vec(&values).unwrap());
    }
}
