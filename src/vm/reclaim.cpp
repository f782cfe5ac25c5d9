// SPDX-License-Identifier: MIT
// Reclaiming memory: a clock over all objects that have pagers, and one over the pages of each.
#include "vm/reclaim.hpp"

#include "vm/ids.hpp"

namespace vm {

namespace {

/// Pages that leave at once before the operation is tried again.
constexpr std::uint64_t batch = 32;

/// The first resident page at or above `from` below an entry, whose pages begin with `start`.
std::optional<std::uint64_t> first_resident(Entry entry, Level level, std::uint64_t start,
                                            std::uint64_t from) {
    if (!entry.present()) return std::nullopt;
    if (level == 0) return start;
    const auto* const slots = static_cast<const Slot*>(direct(entry.frame()));
    const std::uint64_t each = level_pages(level);
    const std::uint64_t below = from > start ? (from - start) / each : 0;
    for (std::uint64_t index = below; index < table_entries; ++index) {
        const auto found =
            first_resident(slots[index].load(), level - 1, start + index * each, from);
        if (found) return found;
    }
    return std::nullopt;
}

/// All objects that have pagers, the one that is looked at next in front.
struct Paged {
    SpinLock<Rank::users> lock;
    Plain<MemoryObject*> first = nullptr;
    Plain<MemoryObject*> last = nullptr;
};
constinit Paged paged;

} // namespace

void MemoryObject::enlist() {
    const Guard guard(paged.lock);
    enlist_locked();
}

void MemoryObject::enlist_locked() {
    next_paged_ = nullptr;
    previous_paged_ = paged.last;
    if (paged.last != nullptr)
        paged.last->next_paged_ = this;
    else
        paged.first = this;
    paged.last = this;
}

void MemoryObject::unlist() {
    const Guard guard(paged.lock);
    unlist_locked();
}

void MemoryObject::unlist_locked() {
    MemoryObject* const next = next_paged_;
    MemoryObject* const previous = previous_paged_;
    if (previous != nullptr)
        previous->next_paged_ = next;
    else
        paged.first = next;
    if (next != nullptr)
        next->previous_paged_ = previous;
    else
        paged.last = previous;
}

ObjectRef MemoryObject::next_paged() {
    const Guard guard(paged.lock);
    for (MemoryObject* object = paged.first; object != nullptr; object = object->next_paged_) {
        std::uint32_t references = object->references_.load(std::memory_order_relaxed);
        // One that ends is about to leave the list.
        while (references != 0 && !object->references_.compare_exchange_weak(
                                      references, references + 1, std::memory_order_relaxed)) {
        }
        if (references == 0) continue;
        object->unlist_locked();
        object->enlist_locked();
        return ObjectRef::adopt(*object);
    }
    return {};
}

std::uint64_t MemoryObject::paged_count() {
    const Guard guard(paged.lock);
    std::uint64_t count = 0;
    for (MemoryObject* object = paged.first; object != nullptr; object = object->next_paged_)
        ++count;
    return count;
}

std::optional<std::uint64_t> MemoryObject::next_resident() {
    const Guard guard(lock_);
    auto found = first_resident(root_, level_, 0, hand_);
    if (!found && hand_ != 0) found = first_resident(root_, level_, 0, 0);
    if (found) hand_ = *found + 1;
    return found;
}

std::uint64_t MemoryObject::evict_some(std::uint64_t most) {
    std::uint64_t evicted = 0;
    for (std::uint64_t left = resident_; left != 0 && evicted < most; --left) {
        const auto page = next_resident();
        if (!page) break;
        if (evict(*page)) ++evicted;
    }
    return evicted;
}

bool reclaim(AddressSpace& space, Error lacking) {
    if (lacking != Error::no_memory && lacking != Error::limit_reached) return false;
    if (space.sweep_ids()) return true;
    if (lacking == Error::limit_reached) return false;
    std::uint64_t evicted = 0;
    for (std::uint64_t left = MemoryObject::paged_count(); left != 0 && evicted < batch; --left) {
        const ObjectRef object = MemoryObject::next_paged();
        if (!object) break;
        evicted += object->evict_some(batch - evicted);
    }
    return evicted != 0;
}

} // namespace vm
