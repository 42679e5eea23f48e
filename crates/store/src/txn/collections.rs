//! What commands on lists, hashes, sets, sorted sets and streams see: the collection at a key,
//! wherever it lies.

use data::{Collection, KeyHasher, NewValue, ValueRef};

use super::{Found, Txn, WrongType};

impl Txn<'_> {
    /// What collections hash their members with.
    pub fn hasher(&self) -> KeyHasher {
        self.store.hasher()
    }

    /// The collection at `key`, to be read; `None` when there is no key. Counts a hit or a miss.
    #[inline]
    pub fn read_as<C: Collection>(&mut self, key: &[u8]) -> Result<Option<C::Ref<'_>>, WrongType> {
        match self.read(key) {
            Some(found) => self.view::<C>(found).map(Some),
            None => Ok(None),
        }
    }

    /// The collection that a key holds, to be read.
    #[inline]
    pub fn view<C: Collection>(&mut self, found: Found) -> Result<C::Ref<'_>, WrongType> {
        match self.value(found) {
            ValueRef::External(value) => C::of(value).map(C::view).ok_or(WrongType),
            ValueRef::Packed(kind, bytes) if C::PACKED == Some(kind) => Ok(C::view_packed(bytes)),
            _ => Err(WrongType),
        }
    }

    /// The collections at several keys, to be read at once; `None` where there is no key. Counts
    /// hits and misses.
    pub fn read_all<'k, C: Collection>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<C::Ref<'_>>>, WrongType> {
        let mut all = Vec::new();
        for key in keys {
            // A key that expires goes now, before anything of what was found is used.
            let found = self.read(key);
            if let Some(found) = found {
                self.view::<C>(found)?;
            }
            all.push(found.is_some().then_some(key));
        }
        let txn = &*self;
        let view = |key: &[u8]| {
            let hash = txn.store.hash(key);
            let part = txn.used_part(txn.store.shard_of(key, hash))?;
            let entry = part.dict.find(hash, key)?;
            match part.dict.value(entry) {
                ValueRef::External(value) => C::of(value).map(C::view),
                ValueRef::Packed(_, bytes) => Some(C::view_packed(bytes)),
                _ => None,
            }
        };
        Ok(all.into_iter().map(|key| key.and_then(view)).collect())
    }

    /// Changes the collection at `key`, which was `found` or is added. A key of which nothing is
    /// left is removed. The expiry stays. [`Txn::changed`] is for the caller to call.
    ///
    /// Costs a copy of a packed collection, besides the change itself.
    pub fn edit<C: Collection, R>(
        &mut self,
        key: &[u8],
        found: Option<Found>,
        edit: impl FnOnce(&mut C) -> R,
    ) -> Result<R, WrongType> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let Some(found) = found else {
            let mut collection = C::from_packed_or_new(scratch);
            let result = edit(&mut collection);
            self.keep(key, None, None, collection);
            return Ok(result);
        };
        match self.value(found) {
            ValueRef::External(_) => {
                self.scratch = scratch;
                let value = self.value_mut(found).expect("just seen");
                let collection = C::of_mut(value).ok_or(WrongType)?;
                let before = collection.next_expiry();
                let result = edit(collection);
                let (after, is_spent) = (collection.next_expiry(), collection.is_spent());
                if before != after {
                    let dict = &mut self.part(found.shard).dict;
                    dict.members_changed(found.entry, before);
                }
                if is_spent {
                    self.remove(found);
                }
                Ok(result)
            }
            ValueRef::Packed(kind, bytes) if C::PACKED == Some(kind) => {
                scratch.extend_from_slice(bytes);
                let mut collection = C::from_packed(scratch);
                let result = edit(&mut collection);
                let expiry = self.expiry(found);
                self.keep(key, Some(found), expiry, collection);
                Ok(result)
            }
            _ => {
                self.scratch = scratch;
                Err(WrongType)
            }
        }
    }

    /// Notes that a command has removed members that had expired; `command` removes such. The log
    /// gets that apart from what the command does itself.
    pub fn members_expired(
        &mut self,
        command: &[u8],
        key: &[u8],
        members: &[&[u8]],
        is_spent: bool,
    ) {
        let interest = self.store.observers().interest();
        if !interest.is_none() {
            if command != b"SREM" {
                self.tell(interest, key, "hexpired");
            }
            if is_spent {
                self.notify(key, "del");
            }
        }
        let stats = self.store.stats(self.thread);
        stats.expired_members.add(members.len() as u64);
        if self.is_logged() {
            self.record(&[&[command, key], members].concat());
        }
    }

    /// Removes the members of a key that are due. Only for the log, whose readers don't know the
    /// time: a command that takes such a member for gone would do something else there.
    #[cold]
    pub(super) fn let_members_expire(&mut self, key: &[u8], mut found: Found) -> Option<Found> {
        if self.keeps_expired || !self.is_logged() {
            return Some(found);
        }
        let now_ms = self.now_ms;
        loop {
            let dict = &mut self.part_to_change(found).dict;
            let gone = dict.remove_expired_members_of(found.entry, now_ms);
            let (hash, is_spent) = (self.store.hash(key), gone.emptied.is_some());
            let command: &[u8] = if gone.is_set { b"SREM" } else { b"HDEL" };
            let members: Vec<_> = gone.members.iter().map(Vec::as_slice).collect();
            if !members.is_empty() {
                self.part(found.shard).touch_watchers(key);
                self.members_expired(command, key, &members, is_spent);
            }
            if let Some(value) = gone.emptied {
                self.store.dispose(value);
                return None;
            }
            let dict = &self.part(found.shard).dict;
            found.entry = dict.find(hash, key)?;
            if dict
                .members_expire(found.entry)
                .is_none_or(|at| at > now_ms)
            {
                return Some(found);
            }
        }
    }

    /// Sets `key`, which was `found` or isn't there, to this collection, or removes it when nothing
    /// is left of that.
    pub fn keep<C: Collection>(
        &mut self,
        key: &[u8],
        found: Option<Found>,
        expiry: Option<u64>,
        collection: C,
    ) {
        if collection.is_spent() {
            if let Some(found) = found {
                self.remove(found);
            }
        } else if let (Some(kind), Some(bytes)) = (C::PACKED, collection.as_packed()) {
            self.set(key, found, NewValue::Packed(kind, bytes), expiry);
        } else {
            self.set(
                key,
                found,
                NewValue::External(collection.into_value()),
                expiry,
            );
            return;
        }
        if let Some(scratch) = collection.into_packed() {
            self.scratch = scratch;
        }
    }
}
