// SPDX-License-Identifier: MIT
// What an address space should be: a plain array of cells.
#include "shim/map_model.hpp"

#include <algorithm>

namespace shim {

namespace {

constexpr std::uint64_t page = page_size;
constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t border = 512 * gib; // of all levels

} // namespace

/// Single pages around the borders of leaf tables, of directories, and of the level above. Where
/// there are single pages, cells end with the block of 2 MiB.
MapModel::MapModel() {
    cells_.push_back({.start = border - 3 * gib, .pages = gib / page});
    add(border - 2 * gib - 12 * page, (gib - 12 * page) / page);
    add(border - 2 * gib + 12 * page, 1);
    add(border - 2 * gib + 2 * mib, 500);
    add(border - 8 * mib, (2 * gib - 10 * mib) / page);
    add(border - 6 * mib - 10 * page, 502);
    add(border - 6 * mib + 10 * page, 1);
    add(border - 4 * mib, (2 * mib - 10 * page) / page);
    add(border - 2 * mib, 512);
    add(border - 24 * page, (2 * mib - 24 * page) / page);
    add(border + 24 * page, 1);
    add(border + 2 * mib, (2 * mib - 24 * page) / page);
    add(border + 6 * mib, 512);
    add(border + gib, (gib - 6 * mib) / page);
    add(border + 3 * gib, gib / page);
}

void MapModel::add(std::uint64_t end, std::uint64_t pages_each) {
    while (cells_.back().end() < end)
        cells_.push_back({.start = cells_.back().end(), .pages = pages_each});
}

VirtRange MapModel::range(Part part) const {
    return {VirtAddr{cells_[part.first].start}, VirtAddr{cells_[part.last - 1].end()}};
}

std::optional<MapModel::Part> MapModel::part(std::uint64_t start, std::uint64_t end) const {
    const auto first = std::ranges::find(cells_, start, &Cell::start);
    const auto last = std::ranges::find(cells_, end, &Cell::end);
    if (first == cells_.end() || last == cells_.end()) return std::nullopt;
    return Part{static_cast<std::size_t>(first - cells_.begin()),
                static_cast<std::size_t>(last - cells_.begin()) + 1};
}

bool MapModel::any_mapped(Part part) const {
    return std::any_of(cells_.begin() + static_cast<std::ptrdiff_t>(part.first),
                       cells_.begin() + static_cast<std::ptrdiff_t>(part.last),
                       [](const Cell& cell) { return cell.mapped; });
}

bool MapModel::any_hole(Part part) const {
    return std::any_of(cells_.begin() + static_cast<std::ptrdiff_t>(part.first),
                       cells_.begin() + static_cast<std::ptrdiff_t>(part.last),
                       [](const Cell& cell) { return !cell.mapped; });
}

bool MapModel::allows(Part part, vm::Access access) const {
    for (std::size_t index = part.first; index < part.last; ++index) {
        const Cell& cell = cells_[index];
        if (cell.mapped && !cell.ceiling.allows(access)) return false;
    }
    return true;
}

void MapModel::map(Part part, vm::Access access, vm::Ceiling ceiling, bool noreserve, bool guard,
                   bool huge, vm::Growth growth) {
    for (std::size_t index = part.first; index < part.last; ++index) {
        Cell& cell = cells_[index];
        cell = {.start = cell.start,
                .pages = cell.pages,
                .mapped = true,
                .guard = guard,
                .growth = growth,
                .access = guard ? vm::Access::none() : access,
                .ceiling = guard ? vm::Ceiling::none() : ceiling,
                .noreserve = noreserve || growth != vm::Growth::none,
                .huge = huge && !guard};
    }
}

void MapModel::unmap(Part part) {
    for (std::size_t index = part.first; index < part.last; ++index)
        cells_[index] = {.start = cells_[index].start, .pages = cells_[index].pages};
}

void MapModel::protect(Part part, vm::Access access) {
    for (std::size_t index = part.first; index < part.last; ++index) {
        Cell& cell = cells_[index];
        if (cell.guard) continue;
        cell.access = access;
        cell.watched = false;
        // The zero frame is nothing to keep.
        if (!access.readable() && cell.content == Content::zero) cell.content = Content::none;
    }
}

bool MapModel::untouched(Part part) const {
    return std::all_of(cells_.begin() + static_cast<std::ptrdiff_t>(part.first),
                       cells_.begin() + static_cast<std::ptrdiff_t>(part.last),
                       [](const Cell& cell) {
                           return cell.mapped && !cell.guard && cell.growth == vm::Growth::none &&
                                  cell.content != Content::own;
                       });
}

void MapModel::watch(Part part, vm::Access access) {
    for (std::size_t index = part.first; index < part.last; ++index) {
        cells_[index].access = access;
        cells_[index].watched = true;
        cells_[index].content = Content::none;
    }
}

bool MapModel::fill(std::size_t index) {
    const Cell like = cells_[index];
    const bool down = like.growth == vm::Growth::down;
    const std::size_t beyond = down ? index - 1 : index + 1; // wraps at the lowest cell
    if (beyond >= cells_.size() || cells_[beyond].growth != like.growth) return false;
    const auto same = [&](const Cell& cell) {
        return cell.growth == like.growth && cell.access == like.access &&
               cell.ceiling == like.ceiling;
    };
    for (std::size_t at = index; at < cells_.size() && same(cells_[at]); down ? ++at : --at) {
        cells_[at].growth = vm::Growth::none;
        cells_[at].noreserve = false;
    }
    return true;
}

void MapModel::discard(Part part) {
    for (std::size_t index = part.first; index < part.last; ++index) {
        cells_[index].content = Content::none;
        cells_[index].seed = 0;
    }
}

void MapModel::populate(Part part) {
    for (std::size_t index = part.first; index < part.last; ++index) {
        if (!cells_[index].callback()) cells_[index].content = Content::own;
    }
}

std::optional<MapModel::Part> MapModel::block(std::size_t index) const {
    constexpr std::uint64_t size = 2 * mib;
    const Cell& like = cells_[index];
    const std::uint64_t start = align_down(like.start, size);
    if (!like.huge || !like.access.writable()) return std::nullopt;
    const auto found = part(start, start + size);
    if (!found) return std::nullopt;
    for (std::size_t at = found->first; at < found->last; ++at) {
        const Cell& cell = cells_[at];
        if (!cell.huge || cell.callback() || cell.content != Content::none ||
            cell.access != like.access || cell.ceiling != like.ceiling ||
            cell.noreserve != like.noreserve)
            return std::nullopt;
    }
    return found;
}

vm::Resolution MapModel::touch(std::size_t index, bool write, bool execute) {
    Cell& cell = cells_[index];
    if (!cell.mapped) return vm::Resolution::hole;
    const bool allowed = execute ? cell.access.executable()
                         : write ? cell.access.writable()
                                 : cell.access.readable();
    if (!allowed) return vm::Resolution::forbidden;
    if (cell.watched) return vm::Resolution::watched;
    if (cell.growth != vm::Growth::none && !fill(index)) return vm::Resolution::forbidden;
    if (write)
        cell.content = Content::own;
    else if (cell.content == Content::none)
        cell.content = Content::zero;
    return vm::Resolution::resolved;
}

std::optional<std::uint64_t> MapModel::first_fit(std::uint64_t pages, std::uint64_t alignment,
                                                 std::uint64_t from) const {
    std::uint64_t at = align_up(std::max(from, vm::user_range.start.value), alignment);
    for (const Cell& cell : cells_) {
        if (!cell.mapped || cell.end() <= at) continue;
        if (at + (pages << page_bits) <= cell.start) return at;
        at = align_up(cell.end(), alignment);
    }
    if (at + (pages << page_bits) <= vm::user_range.end.value) return at;
    return std::nullopt;
}

std::optional<std::uint64_t> MapModel::last_fit(std::uint64_t pages, std::uint64_t alignment,
                                                std::uint64_t to) const {
    const std::uint64_t bytes = pages << page_bits;
    std::uint64_t end = std::min(to, vm::user_range.end.value);
    const auto fits_above = [&](std::uint64_t floor) {
        return end >= floor + bytes && align_down(end - bytes, alignment) >= floor;
    };
    for (std::size_t index = cells_.size(); index-- > 0;) {
        const Cell& cell = cells_[index];
        if (!cell.mapped || cell.start >= end) continue;
        if (fits_above(cell.end())) return align_down(end - bytes, alignment);
        end = cell.start;
    }
    if (fits_above(vm::user_range.start.value)) return align_down(end - bytes, alignment);
    return std::nullopt;
}

void MapModel::grow(Part part, std::size_t like) {
    const Cell cell = cells_[like];
    map(part, cell.access, cell.ceiling, cell.noreserve, cell.guard, cell.huge, cell.growth);
    if (cell.watched) watch(part, cell.access);
}

namespace {

std::uint32_t callback_id(const MapModel::Cell& cell) {
    if (cell.guard) return vm::callback_guard.value;
    if (cell.watched) return vm::callback_watch.value;
    if (cell.growth == vm::Growth::none) return 0;
    return (cell.growth == vm::Growth::down ? vm::callback_stack_growth : vm::callback_heap_growth)
        .value;
}

} // namespace

std::vector<abi::Run> MapModel::runs() const {
    std::vector<abi::Run> runs;
    for (const Cell& cell : cells_) {
        if (!cell.mapped) continue;
        const bool has_frame = cell.content != Content::none;
        abi::Run run{.start = cell.start,
                     .end = cell.end(),
                     .present = has_frame ? cell.pages : 0,
                     .offset = 0,
                     .state = cell.callback() ? abi::State::callback
                              : cell.parked() ? abi::State::parked
                              : has_frame     ? abi::State::present
                                              : abi::State::lazy,
                     .origin = cell.callback() && !cell.watched ? abi::Origin::callback
                                                                : abi::Origin::anonymous,
                     .access = cell.access.bits(),
                     .levels = 0,
                     .id = callback_id(cell)};
        if (!runs.empty() && runs.back().end == run.start && runs.back().state == run.state &&
            runs.back().access == run.access && runs.back().id == run.id) {
            runs.back().end = run.end;
            runs.back().present += run.present;
        } else {
            runs.push_back(run);
        }
    }
    return runs;
}

std::uint64_t MapModel::own_pages() const {
    std::uint64_t pages = 0;
    for (const Cell& cell : cells_) pages += cell.content == Content::own ? cell.pages : 0;
    return pages;
}

std::uint64_t MapModel::charge() const {
    std::uint64_t pages = 0;
    for (const Cell& cell : cells_) {
        if (cell.content == Content::own || (cell.access.writable() && !cell.noreserve))
            pages += cell.pages;
    }
    return pages;
}

} // namespace shim
