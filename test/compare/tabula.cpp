// SPDX-License-Identifier: MIT
#include "compare/tabula.hpp"

#include "vm/charge.hpp"
#include "vm/frames.hpp"
#include "vm/ids.hpp"

#include <algorithm>
#include <stdexcept>

namespace compare {

namespace {

/// Apart, so that it costs nothing where nothing is refused.
[[noreturn, gnu::noinline, gnu::cold]] void refused(Error error) {
    throw std::runtime_error("the map refused: error " + std::to_string(static_cast<int>(error)));
}

template <typename T>
[[gnu::always_inline]] inline T must(Result<T> result) {
    if (!result) [[unlikely]]
        refused(result.error());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// True if it went well; false if there was a hole.
bool no_hole(const Result<void>& result) {
    if (!result && result.error() != Error::not_mapped) refused(result.error());
    return result.ok();
}

} // namespace

TabulaMap::TabulaMap() {
    for (vm::ObjectRef& object : objects_)
        object = must(vm::MemoryObject::make_paged({1ULL << 32}, vm::Ceiling::all(), {}));
    must(space_.create());
}

std::uint32_t TabulaMap::object_of(std::uint64_t number) const {
    return static_cast<std::uint32_t>(number - objects_[0]->number()) + 1;
}

void TabulaMap::map(VirtRange range, const Kind& kind) {
    using vm::Placement;
    if (kind.object == 0)
        must(space_.map({.address = range.start,
                         .pages = range.pages(),
                         .placement = Placement::replace,
                         .access = kind.access}));
    else
        must(space_.map_object({.object = objects_[kind.object - 1].get(),
                                .first_page = (range.start.value - kind.base) >> page_bits,
                                .address = range.start,
                                .pages = range.pages(),
                                .placement = Placement::replace,
                                .access = kind.access,
                                .is_private = kind.is_private}));
}

std::optional<VirtAddr> TabulaMap::map_anywhere(PageCount pages, const Kind& kind, VirtAddr from) {
    auto at = space_.map(
        {.address = from, .pages = pages, .alignment = page_size, .access = kind.access});
    if (!at && at.error() == Error::no_space) return std::nullopt;
    return must(std::move(at));
}

void TabulaMap::unmap(VirtRange range) { must(space_.unmap(range)); }

bool TabulaMap::protect(VirtRange range, vm::Access access) {
    return no_hole(space_.protect(range, access));
}

bool TabulaMap::discard(VirtRange range) { return no_hole(space_.discard(range)); }

void TabulaMap::move(VirtRange from, VirtRange to) {
    must(space_.remap({.from = from, .address = to.start, .placement = vm::Placement::fixed}));
}

std::optional<VirtAddr> TabulaMap::first_fit(PageCount pages, VirtAddr from) const {
    const auto at = space_.first_fit(pages, page_size, from);
    return at ? std::optional(*at) : std::nullopt;
}

std::optional<VirtAddr> TabulaMap::nearest(VirtAddr address, abi::Direction direction) const {
    const auto run = space_.nearest(address, direction);
    if (!run) return std::nullopt;
    return VirtAddr{direction == abi::Direction::up ? std::max(run->start, address.value)
                                                    : std::min(run->end, address.value)};
}

Page TabulaMap::lookup(VirtAddr page) const {
    const vm::AddressSpace::Located located = space_.locate(page);
    const vm::Entry entry = located.entry;
    if (entry.empty()) return {};
    Page found{true, entry.access(), 0, 0};
    const vm::EntryKind kind = entry.kind(located.level);
    if (kind == vm::EntryKind::file || kind == vm::EntryKind::shared) {
        const vm::Attachment& attachment = space_.ids()->at(entry.id());
        found.object = object_of(attachment.object->number());
        found.offset = page.value - attachment.base;
    }
    return found;
}

std::size_t TabulaMap::list(VirtAddr from, std::span<Area> areas) const {
    std::array<abi::Run, 64> runs;
    std::size_t count = 0;
    for (VirtAddr at = from;;) {
        const std::size_t found =
            space_.query(at, std::span(runs).first(std::min(runs.size(), areas.size() - count)));
        for (const abi::Run& run : std::span(runs).first(found)) {
            areas[count++] = {{VirtAddr{run.start}, VirtAddr{run.end}},
                              *vm::Access::make(run.access),
                              run.id != 0 ? object_of(run.id) : 0,
                              run.offset};
        }
        if (found == 0 || count == areas.size()) return count;
        at = areas[count - 1].range.end;
    }
}

bool TabulaMap::fault(VirtAddr page) {
    return space_.resolve(page, {.write = true}) == vm::Resolution::resolved;
}

void* TabulaMap::memory(VirtAddr page) const {
    const auto frame = space_.frame_of(page);
    return frame ? vm::direct(*frame) : nullptr;
}

std::unique_ptr<Map> TabulaMap::fork() {
    std::unique_ptr<TabulaMap> child(new TabulaMap(objects_));
    must(space_.fork_into(child->space_));
    return child;
}

} // namespace compare
