// SPDX-License-Identifier: MIT
// map, unmap: putting ranges into the map and taking them out.
#include "vm/transaction.hpp"

namespace vm {

namespace {

/// Where nothing is asked for, large mappings start where large entries can.
constexpr std::uint64_t natural_alignment(PageCount pages, bool huge) {
    if (pages.value >= level_pages(3)) return level_size(3);
    return huge || pages.value >= level_pages(2) ? level_size(2) : page_size;
}

constexpr auto always = [](Entry) { return true; };
constexpr auto never = [](Entry) { return false; };

/// For `look`: refuses what is mapped.
constexpr auto must_be_hole = [](Entry old, const Spot& where) -> Result<void> {
    if (!Transaction::is_hole(old, where.level)) return Error::already_mapped;
    return {};
};

} // namespace

Result<void> AddressSpace::place(VirtRange range, Entry entry, bool replace) {
    Transaction transaction(*this, range, Detach::yes);
    std::uint64_t charge = 0;
    TRY(transaction.look([&](Entry old, const Spot& where) -> Result<void> {
        if (!replace) TRY(must_be_hole(old, where));
        if (old != entry) charge += charge_of(entry, where);
        return {};
    }));
    const auto differs = [&](Entry old) { return old != entry; };
    TRY(transaction.reserve(charge, level_max, differs,
                            [&] { return transaction.charge_within(differs); }));
    std::uint64_t released = 0;
    transaction.apply(differs, [&](Entry old, const Spot& where) {
        if (old != entry) released += charge_of(old, where);
        return entry;
    });
    transaction.commit(released);
    return {};
}

Result<VirtAddr> AddressSpace::map(const MapRequest& request) {
    if (request.pages.value == 0 || request.pages > range_.pages()) return Error::invalid_argument;
    const std::uint64_t alignment =
        request.alignment == 0 ? natural_alignment(request.pages, request.huge) : request.alignment;
    if (alignment < page_size || !is_power_of_two(alignment)) return Error::invalid_argument;
    if (!request.ceiling.allows(request.access)) return Error::not_permitted;
    const Entry entry = request.guard
                            ? Entry::callback(callback_guard, Access::none(),
                                              {Ceiling::none(), Origin::callback, true})
                            : Entry::lazy(request.access, {request.ceiling, Origin::anonymous,
                                                           request.noreserve, request.huge});

    if (request.placement == Placement::fixed || request.placement == Placement::replace) {
        const VirtRange range{request.address, request.address + request.pages.bytes()};
        TRY(check(range));
        TRY(place(range, entry, request.placement == Placement::replace));
        return request.address;
    }
    for (;;) {
        const VirtAddr at = TRY(hole_for(request, alignment));
        const auto placed = place({at, at + request.pages.bytes()}, entry, false);
        if (placed) return at;
        // Somebody else took the range since: search again.
        if (placed.error() != Error::already_mapped) return placed.error();
    }
}

Result<VirtAddr> AddressSpace::map_window(const WindowRequest& request) {
    if (request.pages.value == 0 || request.pages > range_.pages()) return Error::invalid_argument;
    if (!request.frames.page_aligned() || request.access == Access::none())
        return Error::invalid_argument;
    if (request.placement != Placement::first_fit) {
        TRY(place_window(request, request.address));
        return request.address;
    }
    for (;;) {
        const VirtAddr at = TRY(first_fit(request.pages, page_size, request.address));
        const auto placed = place_window(request, at);
        if (placed) return at;
        if (placed.error() != Error::already_mapped) return placed.error();
    }
}

Result<void> AddressSpace::place_window(const WindowRequest& request, VirtAddr at) {
    const VirtRange range{at, at + request.pages.bytes()};
    TRY(check(range));
    // Its frames may lie anywhere, so its leaves are of 4 KiB: in tables, which stay where they
    // are.
    Transaction transaction(*this, range);
    if (request.placement != Placement::replace) TRY(transaction.look(must_be_hole));
    const LeafOptions options{.intent = {Ceiling::of(request.access), Origin::window, true},
                              .type = request.type,
                              .shared = true,
                              .user = !kernel_,
                              .global = kernel_};
    TRY(transaction.reserve(0, 1, always, [&] { return transaction.charge_within(always); }));
    std::uint64_t released = 0;
    transaction.apply(always, [&](Entry old, const Spot& where) {
        released += charge_of(old, where);
        return Entry::leaf(request.frames + (where.range.start - at), request.access, where.level,
                           options);
    });
    transaction.commit(released);
    return {};
}

Result<void> AddressSpace::unmap(VirtRange range) {
    TRY(check(range));
    Transaction transaction(*this, range, Detach::yes);
    const auto mapped = [](Entry entry) { return !entry.empty(); };
    TRY(transaction.reserve(0, level_max, mapped,
                            [&] { return transaction.charge_within(mapped); }));
    std::uint64_t released = 0;
    transaction.apply(mapped, [&](Entry old, const Spot& where) {
        released += charge_of(old, where);
        return Entry::absent();
    });
    transaction.commit(released);
    return {};
}

} // namespace vm
