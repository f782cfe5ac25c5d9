// SPDX-License-Identifier: MIT
// protect, discard: changing what a range allows, and dropping what it holds.
#include "vm/transaction.hpp"

namespace vm {

namespace {

/// A leaf or parked page with these rights; none parks it.
Entry with_frame(PhysAddr frame, Access access, Intent intent, MemoryType type, bool shared,
                 bool kernel) {
    if (access == Access::none()) return Entry::parked(frame, intent, shared, false);
    // A private frame that has other users, as the frame of zeros has, is copied before a write.
    const bool own = shared || (frame != zero_frame() && frame_record(frame).references.load(
                                                             std::memory_order_relaxed) == 1);
    return Entry::leaf(frame, access, 1,
                       {.intent = intent,
                        .type = type,
                        .shared = shared,
                        .cow = access.writable() && !own,
                        .user = !kernel,
                        .global = kernel});
}

/// The entry with other rights. The table's level matters only for leaves.
Entry with_access(Entry entry, Level level, Access access, bool kernel) {
    switch (entry.kind(level)) {
    case EntryKind::lazy: return Entry::lazy(access, entry.intent());
    case EntryKind::shared: return Entry::shared(entry.id(), access, entry.intent());
    case EntryKind::file: return Entry::file(entry.id(), access, entry.intent());
    case EntryKind::callback: return Entry::callback(entry.id(), access, entry.intent());
    case EntryKind::leaf:
        if (entry.access() == access) return entry;
        if (access == Access::none() && !entry.is_shared() && entry.frame() == zero_frame())
            return Entry::lazy(access, entry.intent());
        return with_frame(entry.frame(), access, entry.intent(), entry.memory_type(),
                          entry.is_shared(), kernel);
    case EntryKind::parked:
        return with_frame(entry.parked_frame(), access, entry.intent(), MemoryType::write_back,
                          entry.is_shared(), kernel);
    case EntryKind::empty:
    case EntryKind::table:
    case EntryKind::uncached: break;
    }
    return entry;
}

/// The entry without its page: as `map` made it.
Entry without_page(Entry entry, Level level) {
    const EntryKind kind = entry.kind(level);
    if ((kind == EntryKind::leaf || kind == EntryKind::parked) && !entry.is_shared())
        return Entry::lazy(entry.access(), entry.intent());
    return entry;
}

/// Changes every entry of the range by change(Entry, Level), charging or releasing the difference.
/// admit(Entry) -> Result<void> may refuse. A page keeps its charge while it keeps its frame.
template <bool keeps_frames, typename Admit, typename Change>
Result<void> transform(AddressSpace& space, VirtRange range, Admit admit, Change change) {
    Transaction transaction(space, range);
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    TRY(transaction.look([&](Entry old, const Spot& where) -> Result<void> {
        if (old.empty()) return Error::not_mapped;
        TRY(admit(old));
        if (keeps_frames && private_frame(old, where.level).value != 0) return {};
        before += charge_of(old, where);
        after += charge_of(change(old, where.level), where);
        return {};
    }));
    const auto changes = [&](Entry old) { return change(old, level_max) != old; };
    TRY(transaction.reserve(after > before ? after - before : 0, level_max, changes));
    transaction.apply(changes,
                      [&](Entry old, const Spot& where) { return change(old, where.level); });
    transaction.commit(before > after ? before - after : 0);
    return {};
}

} // namespace

Result<void> AddressSpace::protect(VirtRange range, Access access) {
    TRY(check(range));
    return transform<true>(
        *this, range,
        [&](Entry old) -> Result<void> {
            if (!old.intent().ceiling.allows(access)) return Error::not_permitted;
            // A parked entry has no room for a memory type: device windows keep their rights.
            if (access == Access::none() && old.present() &&
                old.memory_type() != MemoryType::write_back)
                return Error::not_permitted;
            return {};
        },
        [&](Entry old, Level level) { return with_access(old, level, access, kernel_); });
}

Result<void> AddressSpace::discard(VirtRange range) {
    TRY(check(range));
    return transform<false>(*this, range, [](Entry) -> Result<void> { return {}; }, without_page);
}

} // namespace vm
