// SPDX-License-Identifier: MIT
// protect, discard: changing what a range allows, and dropping what it holds.
#include "vm/transform.hpp"

namespace vm {

namespace {

/// What a page of its own or of somebody else becomes with these rights; none parks it.
struct Page {
    PhysAddr frame;
    MemoryType type;

    Entry with_access(Entry entry, Level level, Access access, bool kernel) const {
        const Intent intent = entry.intent();
        if (access == Access::none())
            return Entry::parked(frame, intent, entry.is_shared(), entry.is_cow());
        return Entry::leaf(frame, access, level,
                           {.intent = intent,
                            .type = type,
                            .shared = entry.is_shared(),
                            .cow = entry.is_cow(),
                            .user = !kernel,
                            .global = kernel});
    }
};

/// The entry with other rights. The table's level matters only for those with frames.
Entry with_access(Entry entry, Level level, Access access, bool kernel) {
    switch (entry.kind(level)) {
    case EntryKind::lazy: return Entry::lazy(access, entry.intent());
    case EntryKind::shared: return Entry::shared(entry.id(), access, entry.intent());
    case EntryKind::file: return Entry::file(entry.id(), access, entry.intent());
    case EntryKind::callback: // a watch ends
        return entry.id() == callback_watch ? Entry::lazy(access, entry.intent())
                                            : Entry::callback(entry.id(), access, entry.intent());
    case EntryKind::leaf:
        if (entry.access() == access) return entry;
        if (access == Access::none() && !entry.is_shared() && entry.frame() == zero_frame())
            return Entry::lazy(access, entry.intent());
        return Page{entry.frame(), entry.memory_type()}.with_access(entry, level, access, kernel);
    case EntryKind::parked:
        return Page{entry.parked_frame(), MemoryType::write_back}.with_access(entry, level, access,
                                                                              kernel);
    case EntryKind::empty:
    case EntryKind::table:
    case EntryKind::graft: // is none by then
    case EntryKind::uncached: break;
    }
    return entry;
}

/// Memory of the space's own without a frame of its own, watched or not: its one page of zeros may
/// have been read.
bool is_untouched(Entry entry) {
    if (entry.present()) return !entry.is_shared() && entry.frame() == zero_frame();
    const EntryKind kind = entry.kind(1);
    return kind == EntryKind::lazy || (kind == EntryKind::callback && entry.id() == callback_watch);
}

/// The entry without its page: as `map` made it.
Entry without_page(Entry entry, Level level) {
    const EntryKind kind = entry.kind(level);
    if ((kind == EntryKind::leaf || kind == EntryKind::parked) && !entry.is_shared())
        return Entry::lazy(entry.access(), entry.intent());
    return entry;
}

} // namespace

Result<void> AddressSpace::protect(VirtRange range, Access access) {
    TRY(check(range));
    return transform<true>(
        *this, range,
        [access](Entry old) -> Result<void> {
            if (!old.intent().ceiling.allows(access)) return Error::not_permitted;
            // A parked entry has no room for a memory type: device windows keep their rights.
            if (access == Access::none() && old.present() &&
                old.memory_type() != MemoryType::write_back)
                return Error::not_permitted;
            return {};
        },
        [access, kernel = bool{kernel_}](Entry old, Level level) {
            return with_access(old, level, access, kernel);
        });
}

Result<void> AddressSpace::watch(VirtRange range, Access access) {
    TRY(check(range));
    if (access == Access::none()) return Error::invalid_argument;
    return transform<true>(
        *this, range,
        [access](Entry old) -> Result<void> {
            if (!is_untouched(old)) return Error::unsupported;
            return old.intent().ceiling.allows(access) ? Result<void>() : Error::not_permitted;
        },
        [access](Entry old, Level) {
            return is_untouched(old) ? Entry::callback(callback_watch, access, old.intent()) : old;
        });
}

Result<void> AddressSpace::discard(VirtRange range) {
    TRY(check(range));
    const auto done = transform<false>(
        *this, range,
        [](Entry old) -> Result<void> {
            if (old.has_page() && old.is_object_page()) [[unlikely]]
                return Error::unsupported; // here: each becomes another entry
            return {};
        },
        without_page);
    if (!done && done.error() == Error::unsupported) [[unlikely]]
        return discard_objects(range);
    return done;
}

} // namespace vm
