// SPDX-License-Identifier: MIT
// Where there is room: holes of a size, and the room beside a mapping.
#include "vm/search.hpp"
#include "vm/transaction.hpp"

namespace vm {

Result<VirtAddr> AddressSpace::find_free(PageCount pages, std::uint64_t alignment, VirtRange within,
                                         abi::Direction direction) const {
    if (alignment < page_size || !is_power_of_two(alignment)) return Error::invalid_argument;
    if (pages.value == 0 || pages > range_.pages()) return Error::invalid_argument;
    const std::uint64_t first = std::max(within.start.value, range_.start.value);
    const VirtRange inside{VirtAddr{align_up(first, page_size)},
                           VirtAddr{align_down(std::min(within.end, range_.end).value, page_size)}};
    if (inside.start.value < first || inside.empty()) return Error::no_space;
    return find_hole(table_at(root_, levels_, top_base()), pages.value, alignment, inside,
                     direction);
}

Result<VirtAddr> AddressSpace::hole_for(const MapRequest& request, std::uint64_t alignment) const {
    if (request.placement == Placement::last_fit) {
        const VirtAddr to = request.address == VirtAddr{0} ? range_.end : request.address;
        return last_fit(request.pages, alignment, to);
    }
    if (!request.arena.empty()) {
        auto found = find_free(request.pages, alignment, request.arena, abi::Direction::up);
        if (found || found.error() != Error::no_space) return found;
    }
    return first_fit(request.pages, alignment, request.address);
}

Result<Entry> AddressSpace::continuation(Entry entry, Level level, VirtAddr address) {
    switch (entry.kind(level)) {
    case EntryKind::empty: return Error::not_mapped;
    case EntryKind::lazy:
    case EntryKind::callback:
    case EntryKind::shared:
    case EntryKind::file: return entry;
    case EntryKind::leaf:
    case EntryKind::parked:
    case EntryKind::graft:
        if (entry.is_object_page()) return without_object_page(entry, level, address);
        if (entry.is_shared()) return Error::unsupported;
        return Entry::lazy(entry.access(), entry.intent());
    default: return Error::unsupported;
    }
}

Result<VirtAddr> AddressSpace::grow(VirtAddr address, PageCount pages, abi::Direction direction) {
    if (pages.value == 0 || pages > range_.pages()) return Error::invalid_argument;
    const bool up = direction == abi::Direction::up;
    const std::uint64_t bytes = pages.bytes();
    const VirtRange fresh =
        up ? VirtRange{address, address + bytes} : VirtRange{address - bytes, address};
    TRY(check(fresh));
    // The page that it goes on from is locked with the new ones: nobody changes it meanwhile.
    const VirtAddr page = up ? address - page_size : address;
    const VirtRange all =
        up ? VirtRange{page, fresh.end} : VirtRange{fresh.start, page + page_size};
    if (!check(all)) return Error::not_mapped; // the space's end
    Transaction transaction(*this, all);       // whole tables stay: the page may be in one of them
    const auto is_fresh = [&](const Spot& where) {
        return fresh.start <= where.range.start && where.range.end <= fresh.end;
    };
    // An entry that covers the page and some of the new ones is no hole, so it is in the way.
    Entry entry;
    TRY(transaction.look([&](Entry old, const Spot& where) -> Result<void> {
        if (!is_fresh(where)) entry = TRY(continuation(old, where.level, where.range.start));
        return {};
    }));
    std::uint64_t charge = 0;
    TRY(transaction.look([&](Entry old, const Spot& where) -> Result<void> {
        if (is_fresh(where)) {
            charge += charge_of(entry, where);
            if (old.empty()) return {};
        } else if (where.range.bytes() == page_size) {
            return {};
        }
        return Error::no_space;
    }));
    const auto empty = [](Entry old) { return old.empty(); };
    TRY(transaction.reserve(charge, level_max, empty));
    transaction.apply(empty,
                      [&](Entry old, const Spot& where) { return is_fresh(where) ? entry : old; });
    transaction.commit();
    return fresh.start;
}

} // namespace vm
