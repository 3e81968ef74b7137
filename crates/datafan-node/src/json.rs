//! JSON from outside: a struct must be written as an object. Derived serde code also accepts an array of the
//! fields; here that is refused at any depth, and an error names the field.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor},
    forward_to_deserialize_any,
};
use serde_json::error::Category;
use std::{cell::RefCell, fmt};

/// Parses the whole of `text`.
///
/// # Errors
/// If it is not JSON, or does not fit `T`.
pub fn from_slice<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, JsonError> {
    let path = Path::default();
    let mut input = serde_json::Deserializer::from_slice(text);
    let read = T::deserialize(Strict { inner: &mut input, path: &path });
    read.and_then(|value| input.end().map(|()| value)).map_err(|error| JsonError::new(path, &error))
}

/// Why a text could not be parsed, on one line.
#[derive(PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    fn new(path: Path, error: &serde_json::Error) -> Self {
        let mut text = error.to_string();
        for (ours, plain) in PLAIN {
            text = text.replace(ours, plain);
        }
        // For a syntax error, line and column say more than the field before it.
        if error.classify() == Category::Data {
            text = format!("{path}{text}");
        }
        // The text may quote the input, and an error must be one line without control characters.
        Self(text.replace(char::is_control, "\u{fffd}"))
    }
}

/// Phrases of serde, and the JSON terms for them.
const PLAIN: [(&str, &str); 7] = [
    ("invalid type: sequence", "invalid type: array"),
    ("invalid type: map", "invalid type: object"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected a boolean", "expected true or false"),
    ("EOF while parsing", "unexpected end of"),
];

/// The path of fields and elements to what is being read; after an error, to where it occurred.
#[derive(Default)]
struct Path(RefCell<Vec<String>>);

impl Path {
    fn within<T, E>(&self, step: String, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.0.borrow_mut().push(step);
        read().inspect(|_| drop(self.0.borrow_mut().pop()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.borrow().concat();
        match text.strip_prefix('.').unwrap_or(&text) {
            "" => Ok(()),
            path => write!(f, "{path}: "),
        }
    }
}

/// A deserializer, seed or visitor that is passed on in the same wrapper.
struct Strict<'p, T> {
    inner: T,
    path: &'p Path,
}

impl<'p, T> Strict<'p, T> {
    fn visitor<V>(path: &'p Path, inner: V, shape: Shape) -> Shaped<'p, V> {
        Shaped { inner, path, shape }
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*) as $shape:expr;)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($name,)* Self::visitor(self.path, visitor, $shape))
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    forward! {
        deserialize_any() as Shape::Any;
        deserialize_bool() as Shape::Any;
        deserialize_i64() as Shape::Any;
        deserialize_u32() as Shape::Any;
        deserialize_u64() as Shape::Any;
        deserialize_f64() as Shape::Any;
        deserialize_str() as Shape::Any;
        deserialize_string() as Shape::Any;
        deserialize_option() as Shape::Any;
        deserialize_unit() as Shape::Any;
        deserialize_newtype_struct(name: &'static str) as Shape::Any;
        deserialize_seq() as Shape::Any;
        deserialize_map() as Shape::Any;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) as Shape::Object;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) as Shape::Any;
        deserialize_identifier() as Shape::Any;
        deserialize_ignored_any() as Shape::Any;
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f32 char bytes byte_buf unit_struct tuple tuple_struct
    }
}

/// What is expected.
enum Shape {
    /// What the visitor says.
    Any,
    /// A struct.
    Object,
}

/// Passes a visitor on with what it expects, in the same wrapper.
struct Shaped<'p, V> {
    inner: V,
    path: &'p Path,
    shape: Shape,
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => { $(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Shaped<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Any => self.inner.expecting(f),
            Shape::Object => f.write_str("an object"),
        }
    }

    visit! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict { inner, path: self.path })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Strict { inner, path: self.path })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        match self.shape {
            Shape::Any => self.inner.visit_seq(Elements { inner, path: self.path, n: 0 }),
            Shape::Object => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Fields { inner, path: self.path, key: String::new() })
    }

    // Names of variants; no variant that is read has fields.
    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(inner)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Strict { inner, path: self.path })
    }
}

struct Elements<'p, A> {
    inner: A,
    path: &'p Path,
    n: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        let (step, seed) = (format!("[{}]", self.n), Strict { inner: seed, path: self.path });
        self.n += 1;
        self.path.within(step, || self.inner.next_element_seed(seed))
    }
}

struct Fields<'p, A> {
    inner: A,
    path: &'p Path,
    key: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(key) = self.inner.next_key::<String>()? else { return Ok(None) };
        self.key = key;
        seed.deserialize(self.key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let (step, seed) = (format!(".{}", self.key), Strict { inner: seed, path: self.path });
        self.path.within(step, || self.inner.next_value_seed(seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read to be read")]
    struct Outer {
        inner: Vec<Inner>,
        #[serde(default)]
        maybe: Option<Inner>,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        key: String,
        #[serde(default)]
        number: Option<u64>,
        #[serde(default)]
        flag: bool,
        #[serde(default)]
        raw: Option<Box<RawValue>>,
    }

    fn error(text: &str) -> String {
        from_slice::<Outer>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for (text, at) in [
            (r#"[[{"key":"k"}]]"#, ""),
            (r#"{"inner":[["k"]]}"#, "inner[0]: "),
            (r#"{"inner":[{"key":"k"},["k",1]]}"#, "inner[1]: "),
            (r#"{"inner":[],"maybe":["k"]}"#, "maybe: "),
        ] {
            let error = error(text);
            assert!(error.starts_with(&format!("{at}invalid type: array, expected an object")), "{error}");
        }
    }

    #[test]
    fn objects_are_read_as_they_are() {
        let text =
            r#"{"inner":[{"key":"gr\u00fcn","number":7,"flag":true,"raw":{ "a": [1.50] }}],"maybe":null}"#;
        let outer: Outer = from_slice(text.as_bytes()).unwrap();
        let inner = &outer.inner[0];
        assert_eq!((inner.key.as_str(), inner.number, inner.flag), ("grün", Some(7), true));
        assert_eq!(inner.raw.as_ref().unwrap().get(), r#"{ "a": [1.50] }"#);
    }

    #[test]
    fn errors_are_plain_and_name_the_field() {
        for (text, said) in [
            (r#""x""#, "invalid type: string \"x\", expected an object"),
            (r#"{"inner":{}}"#, "inner: invalid type: object, expected "),
            (r#"{"inner":[{"key":1}]}"#, "inner[0].key: invalid type: integer `1`, expected a string"),
            (
                r#"{"inner":[{"key":"k","number":-1}]}"#,
                "inner[0].number: invalid value: integer `-1`, expected a w",
            ),
            (
                r#"{"inner":[{"key":"k","flag":1}]}"#,
                "inner[0].flag: invalid type: integer `1`, expected true or",
            ),
            (r#"{"inner":[{}]}"#, "inner[0]: missing field `key`"),
            (r#"{"inner":[],"x\ny":1}"#, "unknown field `x\u{fffd}y`"),
            (r#"{"inner":[]} x"#, "trailing characters"),
        ] {
            let error = error(text);
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
