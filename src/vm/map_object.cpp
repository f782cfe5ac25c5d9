// SPDX-License-Identifier: MIT
// Putting memory objects into the map, and dropping their pages from it.
#include "vm/ids.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

Result<void> check_object(const ObjectRequest& request, bool kernel) {
    if (kernel) return Error::unsupported;
    if (request.pages.value == 0 || request.first_page >= MemoryObject::limit.value ||
        request.pages > MemoryObject::limit)
        return Error::invalid_argument;
    if (!request.ceiling.allows(request.access)) return Error::not_permitted;
    const Ceiling most = request.object->most();
    if (!request.is_private && (request.ceiling.bits() & ~most.bits()) != 0)
        return Error::not_permitted;
    return {};
}

} // namespace

Result<VirtAddr> AddressSpace::map_object(const ObjectRequest& request) {
    TRY(check_object(request, kernel_));
    const MapRequest place_of{.address = request.address,
                              .pages = request.pages,
                              .alignment = natural_alignment(request.pages, false),
                              .placement = request.placement,
                              .arena = request.arena};
    if (request.placement == Placement::fixed || request.placement == Placement::replace) {
        TRY(place_object(request, request.address));
        return request.address;
    }
    return place_in_hole(place_of, place_of.alignment,
                         [&](VirtAddr at) { return place_object(request, at); });
}

Result<void> AddressSpace::place_object(const ObjectRequest& request, VirtAddr at) {
    const VirtRange range{at, at + request.pages.bytes()};
    TRY(check(range));
    const Attaching attaching(attaching_);
    const Id id = TRY(attach(*request.object, {.object = request.object->number(),
                                               .base = at.value - (request.first_page << page_bits),
                                               .ceiling = request.ceiling,
                                               .is_private = request.is_private}));
    const bool memory =
        !request.is_private && request.object->source() == MemoryObject::Source::zeros;
    // Pages that are shared are the object's, whoever writes them: nothing is promised here.
    const Intent intent{request.ceiling, memory ? Origin::anonymous : Origin::file,
                        request.noreserve || !request.is_private};
    return place(range, ids()->entry(id, request.access, intent),
                 request.placement == Placement::replace, nullptr);
}

Result<void> AddressSpace::discard_objects(VirtRange range) {
    Transaction transaction(*this, range);
    const auto without_page = [&](Entry entry, const Spot& where) {
        if (!entry.has_page()) return entry;
        if (entry.is_object_page())
            return without_object_page(entry, where.level, where.range.start);
        return entry.is_shared() ? entry : Entry::lazy(entry.access(), entry.intent());
    };
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    TRY(transaction.look([&](Entry old, const Spot& where) -> Result<void> {
        if (old.empty()) return Error::not_mapped;
        before += charge_of(old, where);
        after += charge_of(without_page(old, where), where);
        return {};
    }));
    const auto changes = [](Entry old) { return old.has_page(); };
    TRY(transaction.reserve(after > before ? after - before : 0, level_max, changes,
                            [&] { return before > after ? before - after : 0; }));
    transaction.apply_to_each(changes, without_page);
    transaction.commit(before > after ? before - after : 0, Freeing::under_locks);
    return {};
}

} // namespace vm
