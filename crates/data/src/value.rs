//! Values too large for a record, or too rich: a record then holds their number in [`Values`].

/// A value that lives outside its record.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string longer than a record takes.
    Str(Vec<u8>),
}

impl Value {
    /// The type, as the TYPE command names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
        }
    }

    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Str(_) => "raw",
        }
    }

    /// Bytes of memory behind this value, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Value::Str(bytes) => bytes.capacity(),
        }
    }

    /// How many steps dropping it takes: the allocations it is made of. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Value::Str(_) => 1,
        }
    }
}

const CHUNK: usize = 256;

/// The large values of one dictionary under dense numbers, in chunks so that growth never copies.
#[derive(Debug, Default)]
pub struct Values {
    chunks: Vec<Box<[Option<Value>]>>,
    free: Vec<u32>,
    len: usize,
}

impl Values {
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
