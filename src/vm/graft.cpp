// SPDX-License-Identifier: MIT
// Grafts: 2 MiB of an object that nobody may write here are read through the page table of the
// object's cache itself.
//
//   space             [PD] r-x ─────► (PT of the cache) ◄───── r-- [PD]       another space
//                      rights,         r-x: resident            its rights
//                      ceiling, origin uncached: the object is asked, and fills it for all
//
// The entry says what a not-present one in its place would say, but for the id, which follows from
// the table's record and the address. So whatever needs more than to be read through a graft makes
// it that one entry again: no memory is needed for it, and the next access grafts anew, or gets
// pages of its own.
#include "vm/object_place.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {
constexpr auto always = [](Entry) { return true; };
} // namespace

std::optional<ObjectPlace> AddressSpace::find_object(const Located& at, VirtAddr page) {
    const EntryKind kind = at.entry.kind(at.level);
    if (kind == EntryKind::file || kind == EntryKind::shared)
        return ObjectPlace(ids()->at(at.entry.id()), page);
    if (kind != EntryKind::graft) return std::nullopt;
    const VirtAddr start = entry_span(page, at.level).start;
    const auto key = AttachmentKey::of_page(at.entry, start, at.entry.frame());
    const Guard guard(ids_lock_);
    const auto id = ids()->find(key);
    return id ? std::optional<ObjectPlace>(std::in_place, ids()->at(*id), page) : std::nullopt;
}

bool AddressSpace::can_graft(const Located& at, const ObjectPlace& place) {
    return at.level >= graft_level && !at.entry.access().writable() &&
           place.base % level_size(graft_level) == 0;
}

Result<void> AddressSpace::graft(VirtAddr page, Entry old, const ObjectPlace& place) {
    Transaction transaction(*this, entry_span(page, graft_level), Detach::no, nullptr,
                            Sharing::stays);
    const auto [current, level] = transaction.decisive();
    if (current != old || level < graft_level || !place.is_named_by(current, *ids()))
        return Error::not_found;
    TRY(transaction.reserve(0, graft_level, always));
    const PhysAddr table = TRY(place.object->lend_table(place.index));
    transaction.apply_to_each(always, [&](Entry entry, const Spot&) {
        return Entry::graft(table, entry, place.is_private);
    });
    transaction.commit();
    if (!place.object->lends_table(place.index)) ungraft(page);
    return {};
}

void AddressSpace::ungraft(VirtAddr address) {
    const VirtAddr page{align_down(address.value, page_size)};
    Transaction transaction(*this, {page, page + page_size}, Detach::no, nullptr, Sharing::stays);
    const auto [entry, level] = transaction.decisive();
    if (!entry.is_graft(level)) return;
    transaction.forget_graft(without_object_page(entry, level, page));
    transaction.commit();
}

void AddressSpace::ungraft_all(VirtRange range) {
    for (VirtAddr at = range.start; at < range.end;) {
        const auto [entry, level] = locate(at);
        if (entry.is_graft(level)) ungraft(at);
        at = entry_span(at, std::max(level, graft_level)).end;
    }
}

Entry AddressSpace::without_object_page(Entry entry, Level level, VirtAddr address) {
    const VirtAddr start = entry_span(address, level).start;
    const auto key = AttachmentKey::of_page(entry, start, page_frame(entry));
    const Guard guard(ids_lock_);
    const IdTable& table = *ids();
    const auto id = table.find(key);
    require(id.has_value(), "a page of no attachment");
    return table.entry(*id, entry.access(), entry.intent());
}

} // namespace vm
