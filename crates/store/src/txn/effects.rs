//! What a transaction leaves to the log, see [`crate::log`].

use super::Txn;
use crate::log::Mark;

impl Txn<'_> {
    /// Whether effects are recorded: only then [`Txn::replay_as`] is worth calling.
    #[inline(always)]
    pub fn is_logged(&self) -> bool {
        self.store.log().is_read()
    }

    /// Records a command that repeats what the current one did, instead of the current one itself:
    /// for relative times, random choices and conditions. May be called several times.
    pub fn replay_as(&mut self, args: &[&[u8]]) {
        self.told.get_or_insert(self.effects.mark());
        self.record(args);
    }

    /// Records an effect beside that of the current command.
    pub(crate) fn record(&mut self, args: &[&[u8]]) {
        if self.is_logged() {
            self.effects.push(self.db, args.iter().copied());
        }
    }

    /// Ends a command: notes its effects for the log. Returns how many changes it made.
    #[inline(always)]
    pub fn commit<'k>(&mut self, args: impl ExactSizeIterator<Item = &'k [u8]>) -> u64 {
        let dirty = std::mem::take(&mut self.dirty);
        let told = self.told.take();
        if std::mem::take(&mut self.flushed) {
            let author = self.author();
            self.store.observers().all_invalidated(author);
        }
        if self.is_logged() {
            match told {
                None if dirty > 0 => self.effects.push(self.db, args),
                Some(mark) if dirty == 0 => self.effects.truncate(mark),
                _ => {}
            }
            self.end_command();
        }
        dirty
    }

    fn end_command(&mut self) {
        if self.group.is_none() {
            self.effects.join(self.command);
            self.command = self.effects.mark();
        }
    }

    /// From here on the effects of all commands are one transaction of the log.
    pub fn begin_group(&mut self) {
        self.group = Some(self.effects.mark());
    }

    /// Ends the transaction begun by [`Txn::begin_group`].
    pub fn end_group(&mut self) {
        if let Some(group) = self.group.take() {
            self.effects.join(group);
            self.command = self.effects.mark();
        }
    }

    /// Whether something waits to be handed over.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Hands over to the log what there is, with the locks still held. A group isn't torn.
    #[inline(always)]
    pub fn hand_over_effects(&mut self) {
        if !self.effects.is_empty() && self.group.is_none() {
            self.effects.join(self.command);
            self.store.log().append(&mut self.effects);
            self.command = Mark::default();
        }
    }
}
