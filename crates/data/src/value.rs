//! Values too large for a record, or too rich: a record then holds their number in [`Values`].

use crate::record::Kind;
use crate::types::{Collection, Hash, List, Set, Stream, Zset};

/// A value that lives outside its record.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string longer than a record takes.
    Str(Vec<u8>),
    /// A list.
    List(List),
    /// A hash.
    Hash(Hash),
    /// A set.
    Set(Set),
    /// A sorted set.
    Zset(Zset),
    /// A stream.
    Stream(Box<Stream>),
}

/// Does the same with the collection in a value, whatever its type.
macro_rules! each_type {
    ($value:expr, $bytes:pat => $str:expr, $it:pat => $other:expr) => {
        match $value {
            Value::Str($bytes) => $str,
            Value::List($it) => $other,
            Value::Hash($it) => $other,
            Value::Set($it) => $other,
            Value::Zset($it) => $other,
            Value::Stream($it) => $other,
        }
    };
}

impl Value {
    /// The collection of this kind whose packed form is `bytes`.
    pub fn from_packed(kind: Kind, bytes: Vec<u8>) -> Self {
        match kind {
            Kind::List => List::from_packed(bytes).into_value(),
            Kind::Hash => Hash::from_packed(bytes).into_value(),
            Kind::Set => Set::from_packed(bytes).into_value(),
            Kind::Zset => Zset::from_packed(bytes).into_value(),
            Kind::Str | Kind::StrRaw | Kind::Int | Kind::External => {
                unreachable!("{kind:?} isn't a kind of packed collections")
            }
        }
    }

    /// The type, as the TYPE command names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
            Value::List(_) => "list",
            Value::Hash(_) => "hash",
            Value::Set(_) => "set",
            Value::Zset(_) => "zset",
            Value::Stream(_) => "stream",
        }
    }

    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Str(_) => "raw",
            Value::List(list) => list.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Set(set) => set.encoding(),
            Value::Zset(zset) => zset.encoding(),
            Value::Stream(_) => "stream",
        }
    }

    /// Starts loading the bucket of a member or field, where there are buckets;
    /// [`Value::prefetch_entry`] may follow.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        match self {
            Value::Set(set) => set.prefetch_bucket(member),
            Value::Hash(hash) => hash.prefetch_bucket(member),
            Value::Zset(zset) => zset.prefetch_bucket(member),
            Value::Str(_) | Value::List(_) | Value::Stream(_) => {}
        }
    }

    /// Starts loading the entry of a member or field, once its bucket is there.
    pub fn prefetch_entry(&self, member: &[u8]) {
        match self {
            Value::Set(set) => set.prefetch_entry(member),
            Value::Hash(hash) => hash.prefetch_entry(member),
            Value::Zset(zset) => zset.prefetch_entry(member),
            Value::Str(_) | Value::List(_) | Value::Stream(_) => {}
        }
    }

    /// Bytes of memory behind this value, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        each_type!(self, bytes => bytes.capacity(), it => it.heap_bytes())
    }

    /// When the first of its elements expires, or before that; `None` when none does. O(1), O(n)
    /// while packed.
    pub fn next_expiry(&self) -> Option<u64> {
        each_type!(self, _ => None, it => it.next_expiry())
    }

    /// How many steps dropping it takes: the allocations it is made of. O(1).
    pub fn drop_cost(&self) -> usize {
        each_type!(self, _ => 1, it => it.drop_cost())
    }
}

const CHUNK: usize = 256;

/// The large values of one dictionary under dense numbers, in chunks so that growth never copies.
#[derive(Clone, Debug, Default)]
pub struct Values {
    chunks: Vec<Box<[Option<Value>]>>,
    free: Vec<u32>,
    len: usize,
}

impl Values {
    /// Bytes of memory behind all of them, guessed from some. O(1).
    pub fn heap_bytes(&self) -> usize {
        const SAMPLES: usize = 1000;
        let some = self.chunks.iter().flatten().flatten().take(SAMPLES);
        let (count, bytes) = some.fold((0, 0), |(count, bytes), value| {
            (count + 1, bytes + value.heap_bytes())
        });
        if count == self.len {
            return bytes;
        }
        (bytes as f64 / count as f64 * self.len as f64) as usize
    }

    /// Keeps `value` and returns its number. O(1).
    pub fn insert(&mut self, value: Value) -> u32 {
        self.len += 1;
        if self.free.is_empty() {
            let first = (self.chunks.len() * CHUNK) as u32;
            self.chunks.push((0..CHUNK).map(|_| None).collect());
            self.free.extend((first..first + CHUNK as u32).rev());
        }
        let id = self.free.pop().expect("a chunk was just added");
        *self.slot(id) = Some(value);
        id
    }

    /// Takes the value numbered `id` out. O(1).
    pub fn remove(&mut self, id: u32) -> Value {
        self.len -= 1;
        self.free.push(id);
        self.slot(id).take().expect("a record names a live value")
    }

    /// The value numbered `id`.
    pub fn get(&self, id: u32) -> &Value {
        let id = id as usize;
        self.chunks[id / CHUNK][id % CHUNK]
            .as_ref()
            .expect("a record names a live value")
    }

    /// The value numbered `id`, to be changed.
    pub fn get_mut(&mut self, id: u32) -> &mut Value {
        self.slot(id).as_mut().expect("a record names a live value")
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn slot(&mut self, id: u32) -> &mut Option<Value> {
        let id = id as usize;
        &mut self.chunks[id / CHUNK][id % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_many_values_is_guessed_from_some() {
        let mut values = Values::default();
        assert_eq!(values.heap_bytes(), 0);
        values.insert(Value::Str(vec![0; 5000]));
        assert_eq!(values.heap_bytes(), 5000);
        let removed = values.insert(Value::Str(vec![0; 100]));
        values.remove(removed);
        assert_eq!(values.heap_bytes(), 5000);
        for _ in 1..3000 {
            values.insert(Value::Str(vec![0; 5000]));
        }
        assert_eq!(values.heap_bytes(), 3000 * 5000);
    }
}
