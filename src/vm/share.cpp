// SPDX-License-Identifier: MIT
// Memory of a space's own that becomes an object, so that others can map it: its pages stay where
// they are, and what was not touched yet will be the object's.
#include "vm/ids.hpp"
#include "vm/transfer.hpp"

namespace vm {

namespace {

/// How a range stands towards becoming an object.
enum class Ready : std::uint8_t {
    no_need,  ///< there is nothing of the space's own
    in_pages, ///< every page is the space's own alone
    not_yet,  ///< some have other users, or are blocks
};

/// Of one entry.
Ready readiness(Entry entry, Level level) {
    if (!Transfer::is_anonymous(entry, level)) return Ready::no_need;
    const PhysAddr frame = private_frame(entry, level);
    if (frame.value == 0) return Ready::in_pages;
    return level > 1 || has_users(frame) ? Ready::not_yet : Ready::in_pages;
}

/// What stands for the memory of a range once the object has it.
AttachmentKey key_of(const MemoryObject& object, VirtRange range, Ceiling ceiling) {
    return {.object = object.number(), .base = range.start.value, .ceiling = ceiling};
}

} // namespace

std::optional<Id> AddressSpace::find_id(const AttachmentKey& key) {
    const Guard guard(ids_lock_);
    return ids() != nullptr ? ids()->find(key) : std::nullopt;
}

Result<void> AddressSpace::copy_parked(VirtAddr page) {
    Transaction transaction(*this, {page, page + page_size});
    const auto [old, level] = transaction.decisive();
    if (old.is_table(level)) return transaction.lacking();
    if (level != 1 || readiness(old, level) != Ready::not_yet || !old.is_parked()) return {};
    FreshFrames copy(0);
    if (!copy.allocate_copy(FrameKind::anonymous, old.parked_frame())) return Error::no_memory;
    const auto always = [](Entry) { return true; };
    TRY(transaction.reserve(0, 1, always));
    transaction.apply_to_each(always, [&](Entry entry, const Spot&) {
        return Entry::parked(copy.first(), entry.intent(), false, false);
    });
    copy.install();
    transaction.commit();
    return {};
}

Result<bool> AddressSpace::make_pages_own(VirtRange range) {
    bool any = false;
    for (VirtAddr at = range.start; at < range.end;) {
        const auto [entry, level] = locate(at);
        if (entry.empty()) return Error::not_mapped;
        const Ready ready = readiness(entry, level);
        if (ready == Ready::not_yet && level > 1) {
            TRY(break_blocks(range));
            continue;
        }
        any |= ready != Ready::no_need;
        if (ready == Ready::not_yet)
            TRY(entry.is_parked() ? copy_parked(at) : populate({at, at + page_size}));
        at = entry_span(at, level).end;
    }
    return any;
}

Result<void> AddressSpace::break_blocks(VirtRange range) {
    Transaction transaction(*this, range);
    const auto is_page = [](Entry entry) { return entry.has_page(); };
    TRY(transaction.reserve(0, 1, is_page));
    transaction.apply_to_each(is_page, [](Entry entry, const Spot&) {
        return entry.has_page() ? entry.without_huge() : entry;
    });
    transaction.commit();
    return {};
}

Result<void> AddressSpace::make_object_of(VirtRange range, const QuotaRef& quota) {
    ObjectRef object;
    const Attaching attaching(attaching_);
    Ceiling lacking{};
    for (;;) {
        if (!TRY(make_pages_own(range))) return {};
        if (!object) object = TRY(MemoryObject::make_zeros(range.pages(), quota));
        const auto done = give_to_object(range, *object, lacking);
        if (done || done.error() != Error::would_block) return done;
        TRY(attach(*object, key_of(*object, range, lacking)));
    }
}

Result<void> AddressSpace::give_to_object(VirtRange range, MemoryObject& object, Ceiling& lacking) {
    Transaction transaction(*this, range);
    const auto index_of = [&](VirtAddr at) { return (at.value - range.start.value) >> page_bits; };
    std::uint64_t released = 0;
    TRY(transaction.look([&](Entry entry, const Spot& where) -> Result<void> {
        const Ready ready = readiness(entry, where.level);
        if (ready == Ready::no_need) return {};
        lacking = entry.intent().ceiling;
        if (ready == Ready::not_yet || !find_id(key_of(object, range, lacking)))
            return Error::would_block;
        if (entry.has_page())
            TRY(object.make_room(index_of(where.range.start), index_of(where.range.end)));
        return {};
    }));
    constexpr auto goes = [](Entry entry) { return Transfer::is_anonymous(entry, 1); };
    TRY(transaction.reserve(0, level_max, goes));
    transaction.apply_to_each(goes, [&](Entry entry, const Spot& where) {
        if (!Transfer::is_anonymous(entry, where.level)) return entry;
        released += charge_of(entry, where);
        const Intent intent{entry.intent().ceiling, Origin::anonymous, true};
        const PhysAddr frame = private_frame(entry, where.level);
        if (frame.value == 0)
            return Entry::shared(*find_id(key_of(object, range, intent.ceiling)), entry.access(),
                                 intent);
        object.take_over(index_of(where.range.start), frame);
        if (entry.is_parked()) return Entry::parked(frame, intent, true, false);
        return Entry::leaf(frame, entry.access(), 1, {.intent = intent, .shared = true});
    });
    transaction.commit(released);
    return {};
}

} // namespace vm
