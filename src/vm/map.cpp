// SPDX-License-Identifier: MIT
// map, unmap: putting ranges into the map and taking them out.
#include "vm/search.hpp"
#include "vm/transaction.hpp"

namespace vm {

namespace {

constexpr auto always = [](Entry) { return true; };
constexpr auto never = [](Entry) { return false; };

/// For `look`: refuses what is mapped.
constexpr auto must_be_hole = [](Entry old, const Spot& where) -> Result<void> {
    if (!old.empty() && !Transaction::is_hole(old, where.level)) return Error::already_mapped;
    return {};
};

/// What `map` puts into a range that is a guard, or grows. Empty if it can't grow.
[[gnu::noinline]] Entry callback_for(const MapRequest& request) {
    if (request.growth == Growth::none)
        return Entry::callback(callback_guard, Access::none(),
                               {Ceiling::none(), Origin::callback, true});
    if (request.pages.value == 1 || request.access == Access::none()) return Entry::absent();
    return Entry::callback(request.growth == Growth::down ? callback_stack_growth
                                                          : callback_heap_growth,
                           request.access, {request.ceiling, Origin::callback, true});
}

template <Extent extent>
[[gnu::always_inline]] inline Result<void> place_in(Transaction& transaction, Entry entry,
                                                    bool replace) {
    std::uint64_t charge = 0;
    TRY(transaction.look<extent>([&](Entry old, const Spot& where) -> Result<void> {
        if (!replace) TRY(must_be_hole(old, where));
        if (old != entry) charge += charge_of(entry, where);
        return {};
    }));
    const auto differs = [&](Entry old) { return old != entry; };
    TRY(transaction.reserve<extent>(charge, level_max, differs,
                                    [&] { return transaction.charge_within(differs); }));
    std::uint64_t released = 0;
    transaction.apply<extent>(differs, [&](Entry old, const Spot& where) {
        if (old != entry) released += charge_of(old, where);
        return entry;
    });
    transaction.count_charge<extent>(charge - released);
    transaction.commit<extent>(released);
    return {};
}
[[gnu::noinline]] Result<void> place_anywhere(Transaction& transaction, Entry entry, bool replace) {
    return place_in<Extent::any>(transaction, entry, replace);
}

template <Extent extent>
[[gnu::always_inline]] inline Result<void> clear_in(Transaction& transaction) {
    const auto mapped = [](Entry entry) { return !entry.empty(); };
    TRY(transaction.reserve<extent>(0, level_max, mapped,
                                    [&] { return transaction.charge_within(mapped); }));
    std::uint64_t released = 0;
    transaction.apply<extent>(mapped, [&](Entry old, const Spot& where) {
        released += charge_of(old, where);
        return Entry::absent();
    });
    transaction.count_charge<extent>(-released);
    transaction.commit<extent>(released);
    return {};
}
[[gnu::noinline]] Result<void> clear_anywhere(Transaction& transaction) {
    return clear_in<Extent::any>(transaction);
}

} // namespace

Result<void> AddressSpace::place(VirtRange range, Entry entry, bool replace,
                                 TableDescriptor* page_table) {
    [[gnu::uninitialized]] Transaction transaction(*this, range, Detach::yes, page_table);
    if (!transaction.in_page_table()) [[unlikely]]
        return place_anywhere(transaction, entry, replace);
    return place_in<Extent::page_table>(transaction, entry, replace);
}

[[gnu::always_inline]] inline Result<VirtAddr> AddressSpace::map_few(const MapRequest& request,
                                                                     Entry entry) {
    const bool in_arena = !request.arena.empty();
    const VirtAddr from = in_arena ? request.arena.start : std::max(request.address, range_.start);
    const VirtAddr end = in_arena ? request.arena.end : range_.end;
    if (!(from < end) || !from.page_aligned()) return Error::no_space;
    const FoundPages found =
        find_pages(root_, levels_, from, static_cast<unsigned>(request.pages.value));
    const VirtRange range{found.start, found.start + request.pages.bytes()};
    if (found.table == nullptr || end < range.end) return Error::no_space;
    TRY(place(range, entry, false, found.table));
    return range.start;
}

Result<VirtAddr> AddressSpace::map(const MapRequest& request) {
    if (request.pages.value == 0 || request.pages > range_.pages()) return Error::invalid_argument;
    const std::uint64_t alignment =
        request.alignment == 0 ? natural_alignment(request.pages, request.huge) : request.alignment;
    if (alignment < page_size || !is_power_of_two(alignment)) return Error::invalid_argument;
    if (!request.ceiling.allows(request.access)) return Error::not_permitted;
    Entry entry = Entry::lazy(
        request.access, {request.ceiling, Origin::anonymous, request.noreserve, request.huge});
    if (request.guard) [[unlikely]] {
        entry = callback_for(request);
        if (entry.empty()) return Error::invalid_argument;
    }

    if (request.placement == Placement::fixed || request.placement == Placement::replace) {
        const VirtRange range{request.address, request.address + request.pages.bytes()};
        TRY(check(range));
        TRY(place(range, entry, request.placement == Placement::replace, nullptr));
        return request.address;
    }
    if (request.placement == Placement::first_fit && request.pages.value <= 64 &&
        alignment == page_size) [[likely]] {
        const auto mapped = map_few(request, entry);
        if (mapped) [[likely]]
            return *mapped;
        // The long way then; or somebody else took the pages since.
        if (mapped.error() != Error::no_space && mapped.error() != Error::already_mapped)
            return mapped.error();
    }
    return place_in_hole(request, alignment, [&](VirtAddr at) {
        return place({at, at + request.pages.bytes()}, entry, false, nullptr);
    });
}

Result<VirtAddr> AddressSpace::map_window(const WindowRequest& request) {
    if (request.pages.value == 0 || request.pages > range_.pages()) return Error::invalid_argument;
    if (!request.frames.page_aligned() || request.access == Access::none())
        return Error::invalid_argument;
    if (request.placement != Placement::first_fit) {
        TRY(place_window(request, request.address));
        return request.address;
    }
    return place_in_hole({.address = request.address, .pages = request.pages}, page_size,
                         [&](VirtAddr at) { return place_window(request, at); });
}

Result<void> AddressSpace::place_window(const WindowRequest& request, VirtAddr at) {
    const VirtRange range{at, at + request.pages.bytes()};
    TRY(check(range));
    const LeafOptions options{.intent = {Ceiling::of(request.access), Origin::window, true},
                              .type = request.type,
                              .shared = true,
                              .user = !kernel_,
                              .global = kernel_};
    const auto leaf = [&](VirtAddr page) {
        return Entry::leaf(request.frames + (page - at), request.access, 1, options);
    };
    const bool replace = request.placement == Placement::replace;
    if (request.pages.value == 1) return place(range, leaf(at), replace, nullptr);
    // Its frames may lie anywhere, so its leaves are of 4 KiB: in tables, which stay where they
    // are.
    [[gnu::uninitialized]] Transaction transaction(*this, range);
    if (!replace) TRY(transaction.look(must_be_hole));
    TRY(transaction.reserve(0, 1, always, [&] { return transaction.charge_within(always); }));
    std::uint64_t released = 0;
    transaction.apply_to_each(always, [&](Entry old, const Spot& where) {
        released += charge_of(old, where);
        return leaf(where.range.start);
    });
    transaction.commit(released);
    return {};
}

Result<void> AddressSpace::unmap(VirtRange range) {
    TRY(check(range));
    [[gnu::uninitialized]] Transaction transaction(*this, range, Detach::yes);
    if (!transaction.in_page_table()) [[unlikely]]
        return clear_anywhere(transaction);
    return clear_in<Extent::page_table>(transaction);
}

} // namespace vm
