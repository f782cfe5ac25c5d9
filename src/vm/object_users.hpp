// SPDX-License-Identifier: MIT
// Who maps an object: found by its attachments and the spaces of each one's id table, not by a list
// for each page.
//
//   object ──► attachment ──► id table ──► spaces          page = base of the attachment + index
//         list in `object`           list in `users`
//
// Who changes entries everywhere collects some spaces in which there are any, each kept from
// ending, works in one after the other with neither lock held, and looks again until there are none
// left. A page table that several spaces have is changed in place, and all spaces that may have it
// flush.
#pragma once

#include "vm/space.hpp"

namespace vm {

/// Pages [first, end) of an object, mapped with its byte 0 at `base`, modulo 2^64.
struct CachedPages {
    MemoryObject* object;
    std::uint64_t base;
    std::uint64_t first;
    std::uint64_t end;

    /// Whether an entry at `level` for an address holds one of them, out of the object's cache.
    bool has(Entry entry, Level level, VirtAddr address) const;
};

/// A space that maps pages of an object; it doesn't end meanwhile.
class ObjectUser {
public:
    ObjectUser() = default;
    ObjectUser(AddressSpace& space, const CachedPages& pages) : space_(&space), pages_(pages) {
        space.keep();
    }
    ObjectUser(const ObjectUser&) = delete;
    ObjectUser& operator=(ObjectUser&& other) noexcept {
        std::swap(space_, other.space_);
        pages_ = other.pages_;
        return *this;
    }
    ~ObjectUser() {
        if (space_ != nullptr) space_->let_go();
    }
    AddressSpace& space() const { return *space_; }
    const CachedPages& pages() const { return pages_; }

private:
    AddressSpace* space_ = nullptr;
    CachedPages pages_{};
};

/// At most so many at once: it stands on the stack.
inline constexpr unsigned object_users_at_once = 8;

} // namespace vm
