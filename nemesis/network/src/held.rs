//! Frames that wait for their time: all memory is taken at the start, in slots of two sizes, since a frame is either of
//! about an MTU or, with offload, of up to 64 KiB. A frame for which no slot is free is refused, and the switch counts
//! it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is known of a frame that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// The place of its link in the table of links.
    pub(crate) link: usize,
    /// Its number among those that came by this link.
    pub(crate) number: u64,
    /// When it came, ns since the switch started.
    pub(crate) arrived_ns: u64,
    /// When it is to be delivered, ns since the switch started.
    pub(crate) due_ns: u64,
    /// What the trace says of it.
    pub(crate) comment: &'static str,
}

/// A frame in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldFrame {
    pub(crate) label: Label,
    slot: Slot,
    bytes: usize,
}

/// A place in one of the two pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Small(usize),
    Large(usize),
}

/// Slots of one size, in one piece of memory that the kernel backs by pages only when they are first used.
#[derive(Debug)]
struct Pool {
    bytes: Vec<u8>,
    slot_bytes: usize,
    free: Vec<usize>,
}

impl Pool {
    fn new(slots: usize, slot_bytes: usize) -> Self {
        Self { bytes: vec![0; slots * slot_bytes], slot_bytes, free: (0..slots).rev().collect() }
    }

    fn take(&mut self, frame: &[u8]) -> Option<usize> {
        let slot = self.free.pop()?;
        self.slot_mut(slot)[..frame.len()].copy_from_slice(frame);
        Some(slot)
    }

    fn slot(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * self.slot_bytes..][..self.slot_bytes]
    }

    fn slot_mut(&mut self, slot: usize) -> &mut [u8] {
        &mut self.bytes[slot * self.slot_bytes..][..self.slot_bytes]
    }
}

/// Order of delivery: by time, then as they were held.
type Due = Reverse<(u64, u64, usize)>;

/// Every frame that is held, of all links.
#[derive(Debug)]
pub(crate) struct Held {
    small: Pool,
    large: Pool,
    queue: BinaryHeap<Due>,
    /// What is in the slots: those of the small pool, then those of the large one.
    frames: Vec<Option<HeldFrame>>,
    /// Frames held since the start.
    count: u64,
}

impl Held {
    /// Room for so many frames of up to `small_bytes`, and so many of up to `large_bytes`.
    pub(crate) fn new(small: (usize, usize), large: (usize, usize)) -> Self {
        let slots = small.0 + large.0;
        Self {
            small: Pool::new(small.0, small.1),
            large: Pool::new(large.0, large.1),
            queue: BinaryHeap::with_capacity(slots),
            frames: vec![None; slots],
            count: 0,
        }
    }

    /// Keeps a copy of the frame; false if there is no room.
    pub(crate) fn hold(&mut self, label: Label, frame: &[u8]) -> bool {
        let Some(slot) = self.take_slot(frame) else { return false };
        let place = self.place(slot);
        let held = HeldFrame { label, slot, bytes: frame.len() };
        assert!(self.frames[place].replace(held).is_none(), "a free slot is empty");
        self.queue.push(Reverse((label.due_ns, self.count, place)));
        self.count += 1;
        true
    }

    /// When the next one is due, ns since the switch started.
    pub(crate) fn next_due_ns(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse((due_ns, _, _))| *due_ns)
    }

    /// Takes the next frame that is due, if any. Its bytes stay until [`Self::free`].
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<HeldFrame> {
        self.next_due_ns().filter(|due_ns| *due_ns <= now_ns)?;
        self.queue.pop().map(|Reverse((_, _, place))| self.frame_at(place))
    }

    /// Takes all frames of one link out of the queue into `out`, in their order.
    pub(crate) fn take_link(&mut self, link: usize, out: &mut Vec<HeldFrame>) {
        let frames = &self.frames;
        let is_of_link = |place: usize| frames[place].is_some_and(|frame| frame.label.link == link);
        let mut taken: Vec<Due> = self.queue.iter().filter(|due| is_of_link(due.0.2)).copied().collect();
        self.queue.retain(|Reverse((_, _, place))| !is_of_link(*place));
        taken.sort_unstable_by_key(|due| due.0);
        out.extend(taken.into_iter().map(|Reverse((_, _, place))| self.frame_at(place)));
    }

    /// The bytes of a frame that was taken.
    pub(crate) fn bytes(&self, frame: &HeldFrame) -> &[u8] {
        let slot = match frame.slot {
            Slot::Small(slot) => self.small.slot(slot),
            Slot::Large(slot) => self.large.slot(slot),
        };
        &slot[..frame.bytes]
    }

    /// Gives the slot of a frame back.
    pub(crate) fn free(&mut self, frame: HeldFrame) {
        let place = self.place(frame.slot);
        assert_eq!(self.frames[place].take(), Some(frame), "a frame is freed once");
        match frame.slot {
            Slot::Small(slot) => self.small.free.push(slot),
            Slot::Large(slot) => self.large.free.push(slot),
        }
    }

    fn frame_at(&self, place: usize) -> HeldFrame {
        self.frames[place].expect("what is queued is in its slot")
    }

    /// A small frame may have a large slot, not the other way round.
    fn take_slot(&mut self, frame: &[u8]) -> Option<Slot> {
        let small = if frame.len() <= self.small.slot_bytes { self.small.take(frame) } else { None };
        if let Some(slot) = small {
            return Some(Slot::Small(slot));
        }
        if frame.len() <= self.large.slot_bytes { self.large.take(frame).map(Slot::Large) } else { None }
    }

    fn place(&self, slot: Slot) -> usize {
        match slot {
            Slot::Small(slot) => slot,
            Slot::Large(slot) => self.small.bytes.len().checked_div(self.small.slot_bytes).unwrap_or(0) + slot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(link: usize, due_ns: u64) -> Label {
        Label { link, number: 0, arrived_ns: 0, due_ns, comment: "" }
    }

    fn drain(held: &mut Held, now_ns: u64) -> Vec<Vec<u8>> {
        let mut drained = Vec::new();
        while let Some(frame) = held.pop_due(now_ns) {
            drained.push(held.bytes(&frame).to_vec());
            held.free(frame);
        }
        drained
    }

    #[test]
    fn frames_come_out_when_they_are_due_and_in_order() {
        let mut held = Held::new((4, 2), (0, 0));
        for (due_ns, byte) in [(30, 1), (10, 2), (20, 3), (20, 4)] {
            assert!(held.hold(label(0, due_ns), &[byte]));
        }
        assert_eq!(held.next_due_ns(), Some(10));
        assert_eq!(drain(&mut held, 9), Vec::<Vec<u8>>::new());
        assert_eq!(drain(&mut held, 20), [[2], [3], [4]]);
        assert_eq!(drain(&mut held, 99), [[1]]);
        assert_eq!(held.next_due_ns(), None);
    }

    #[test]
    fn no_room_is_refused_and_slots_are_used_again() {
        let mut held = Held::new((1, 2), (1, 4));
        assert!(!held.hold(label(0, 1), &[0; 5]), "larger than any slot");
        for _ in 0..3 {
            assert!(held.hold(label(0, 1), &[1, 1]));
            assert!(held.hold(label(0, 2), &[2, 2]), "a large slot takes a small frame");
            assert!(!held.hold(label(0, 3), &[3]));
            assert_eq!(drain(&mut held, 9), [[1, 1], [2, 2]]);
        }
        assert!(held.hold(label(0, 1), &[7; 4]) && !held.hold(label(0, 1), &[8; 3]));
    }

    #[test]
    fn the_frames_of_one_link_are_taken_in_order() {
        let mut held = Held::new((4, 1), (0, 0));
        for (link, due_ns) in [(1, 40), (0, 30), (1, 10), (1, 20)] {
            assert!(held.hold(label(link, due_ns), &[due_ns as u8]));
        }
        let mut taken = Vec::new();
        held.take_link(1, &mut taken);
        assert_eq!(taken.iter().map(|frame| frame.label.due_ns).collect::<Vec<_>>(), [10, 20, 40]);
        taken.into_iter().for_each(|frame| held.free(frame));
        assert_eq!(drain(&mut held, 99), [[30]]);
    }
}
