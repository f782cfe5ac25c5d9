// SPDX-License-Identifier: MIT
// ResidentPages: a look at an object's cache.
#pragma once

#include "vm/object.hpp"

namespace vm {

/// A page of an object, if it is resident, and its neighbours in the same table of the cache. None
/// of them leaves as long as this lives: it holds the object's lock.
class ResidentPages {
public:
    /// Of none, if the page is not resident, or is leaving.
    ResidentPages(MemoryObject& object, std::uint64_t index) : guard_(object.lock_) {
        if (index >= object.pages_ || !object.gives(index)) [[unlikely]]
            return;
        slot_ = object.find(index);
        if (slot_ == nullptr || !slot_->peek().present()) {
            slot_ = nullptr;
        } else if (object.leaving_end_ == 0) [[likely]] {
            before_ = static_cast<unsigned>(index % table_entries);
            behind_ = table_entries - 1 - before_;
        }
    }
    explicit operator bool() const { return slot_ != nullptr; }
    /// How many neighbours there are on each side, resident or not. None while pages leave.
    unsigned before() const { return before_; }
    unsigned behind() const { return behind_; }
    /// The cache's entries, by the distance to the page: present where one is resident.
    const Slot* slots() const { return slot_; }

private:
    const Guard<SpinLock<Rank::object>> guard_;
    const Slot* slot_ = nullptr;
    unsigned before_ = 0;
    unsigned behind_ = 0;
};

} // namespace vm
