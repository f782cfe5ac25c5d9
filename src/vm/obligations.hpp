// SPDX-License-Identifier: MIT
// Obligations: what a transaction took out of the map, kept until no CPU can use it any more.
#pragma once

#include "vm/table.hpp"

#include <algorithm>

namespace vm {

/// What a change of mapping owes before the frames and tables that it replaced may be reused. It
/// owns them until then, so they can't be freed early.
class Obligations {
public:
    /// Present translations in the range lost rights or changed target.
    void owe(VirtRange range);
    /// A frame (block) that was replaced; its reference is dropped after the flush.
    void own_frame(PhysAddr frame);
    /// Entries that refer to tables changed as well, in the range.
    void owe_tables(VirtRange range) {
        owe(range);
        tables_changed_ = true;
    }
    /// A frame or a page table with other users, who may let it go at the same time: its reference
    /// is dropped after the flush. False, and not taken, if there is no room for one more before
    /// `drop_shared`.
    [[nodiscard]] bool own_shared(PhysAddr frame);
    /// A table that was unlinked, with all below it; it mapped `range`.
    void own_table(TableDescriptor* table, VirtRange range);
    /// Whether there is something to flush.
    bool owes() const { return !hull_.empty(); }
    /// Whether there is something to release.
    bool any() const {
        return (frames_.value | reinterpret_cast<std::uintptr_t>(tables_) | shared_count_) != 0;
    }
    /// Meets what is owed to the CPUs' TLBs, which is something. Under the locks of the changed
    /// tables.
    void flush(AddressSpace& space);
    /// Frees what was replaced, and gives the charge of the dismantled tables and of what stood in
    /// them, in pages. After `flush`, without locks.
    std::uint64_t release(const AddressSpace& space);
    /// Drops the references of `own_shared`, after `flush`; gives their charge.
    std::uint64_t drop_shared(const AddressSpace& space);

private:
    VirtRange hull_{}; ///< of all that must be flushed
    bool tables_changed_ = false;
    PhysAddr frames_{};                 ///< chained through Frame::next
    TableDescriptor* tables_ = nullptr; ///< chained through TableDescriptor::next
    std::uint32_t shared_count_ = 0;    ///< in this CPU's list
};

inline void Obligations::owe(VirtRange range) {
    if (hull_.empty()) {
        hull_ = range;
    } else {
        hull_ = {std::min(hull_.start, range.start), std::max(hull_.end, range.end)};
    }
}

inline void Obligations::own_frame(PhysAddr frame) {
    frame_record(frame).next = static_cast<std::uint32_t>(frames_.value >> page_bits);
    frames_ = frame;
}

} // namespace vm
