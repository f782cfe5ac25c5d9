// SPDX-License-Identifier: MIT
#include "compare/entries.hpp"

namespace compare {

namespace {

constexpr unsigned id_shift = page_bits;

vm::Access access_of(Entry entry) {
    return *vm::Access::make((entry & bit::access) >> bit::access_shift);
}
Entry lazy(Entry entry, vm::Access access) {
    return (entry & bit::frame) | bit::lazy | Entry{access.bits()} << bit::access_shift;
}

} // namespace

std::uint64_t EntryMap::id_of(const File& file) {
    if (file.object == 0) return 0;
    const auto [at, is_new] = ids_.try_emplace(file, files_.size());
    if (is_new) files_.push_back(file);
    return at->second;
}

Entry EntryMap::entry_of(const Kind& kind) {
    return lazy(id_of({kind.object, kind.is_private, kind.base}) << id_shift, kind.access);
}

Page EntryMap::page_of(Entry entry, std::uint64_t address) const {
    const File& file = files_[has_frame(entry) ? 0 : (entry & bit::frame) >> id_shift];
    return {true, access_of(entry), file.object, file.object != 0 ? address - file.base : 0};
}

void EntryMap::map(VirtRange range, const Kind& kind) {
    const Locked locked(lock_);
    paging_.fill(range.start.value, range.end.value, entry_of(kind));
}

std::optional<VirtAddr> EntryMap::map_anywhere(PageCount pages, const Kind& kind, VirtAddr from) {
    const Locked locked(lock_);
    const auto at = find_hole(pages.bytes(), from.value);
    if (!at) return std::nullopt;
    paging_.fill(*at, *at + pages.bytes(), entry_of(kind));
    return VirtAddr{*at};
}

void EntryMap::unmap(VirtRange range) {
    const Locked locked(lock_);
    paging_.clear(range.start.value, range.end.value);
}

bool EntryMap::covers(VirtRange range) const {
    return paging_.tables(range.start.value, range.end.value,
                          [](const Entry* table, std::uint64_t at, std::uint64_t end) {
                              if (table == nullptr) return false;
                              for (; at < end; at += page_size)
                                  if (table[Paging::index(at, 1)] == 0) return false;
                              return true;
                          });
}

bool EntryMap::protect(VirtRange range, vm::Access access) {
    const Locked locked(lock_);
    if (!covers(range)) return false;
    paging_.each(range.start.value, range.end.value, [&](Entry& slot, std::uint64_t) {
        slot = has_frame(slot) ? with_access(slot, access) : lazy(slot, access);
    });
    return true;
}

bool EntryMap::discard(VirtRange range) {
    const Locked locked(lock_);
    if (!covers(range)) return false;
    paging_.drop(range.start.value, range.end.value,
                 [](Entry entry) { return has_frame(entry) ? lazy(0, access_of(entry)) : entry; });
    return true;
}

void EntryMap::move(VirtRange from, VirtRange to) {
    const Locked locked(lock_);
    const std::uint64_t distance = to.start.value - from.start.value;
    paging_.move(from.start.value, from.end.value, to.start.value);
    // A file's offset follows from the address: what is moved stands for another id.
    paging_.each(to.start.value, to.end.value, [&](Entry& slot, std::uint64_t) {
        if (has_frame(slot) || (slot & bit::frame) == 0) return;
        File file = files_[(slot & bit::frame) >> id_shift];
        file.base += distance;
        slot = lazy(id_of(file) << id_shift, access_of(slot));
    });
}

std::optional<std::uint64_t> EntryMap::find_hole(std::uint64_t bytes, std::uint64_t from) const {
    std::uint64_t hole = std::max(from, space_range.start.value);
    bool found = false;
    paging_.tables(hole, space_range.end.value,
                   [&](const Entry* table, std::uint64_t at, std::uint64_t end) {
                       if (table == nullptr) return !(found = bytes <= end - hole);
                       for (; at < end; at += page_size) {
                           if (table[Paging::index(at, 1)] != 0)
                               hole = at + page_size;
                           else if (bytes <= at + page_size - hole)
                               return !(found = true);
                       }
                       return true;
                   });
    return found ? std::optional(hole) : std::nullopt;
}

std::optional<VirtAddr> EntryMap::first_fit(PageCount pages, VirtAddr from) const {
    const Locked locked(lock_);
    const auto at = find_hole(pages.bytes(), from.value);
    return at ? std::optional(VirtAddr{*at}) : std::nullopt;
}

std::optional<VirtAddr> EntryMap::nearest(VirtAddr address, abi::Direction direction) const {
    const Locked locked(lock_);
    std::optional<VirtAddr> found;
    if (direction == abi::Direction::up) {
        paging_.tables(address.value, space_range.end.value,
                       [&](const Entry* table, std::uint64_t at, std::uint64_t end) {
                           if (table == nullptr) return true;
                           for (; at < end; at += page_size) {
                               if (table[Paging::index(at, 1)] == 0) continue;
                               found = VirtAddr{at};
                               return false;
                           }
                           return true;
                       });
        return found;
    }
    paging_.tables_down(space_range.start.value, address.value,
                        [&](const Entry* table, std::uint64_t start, std::uint64_t at) {
                            if (table == nullptr) return true;
                            for (; start < at; at -= page_size) {
                                if (table[Paging::index(at - page_size, 1)] == 0) continue;
                                found = VirtAddr{at};
                                return false;
                            }
                            return true;
                        });
    return found;
}

Page EntryMap::lookup(VirtAddr page) const {
    const Locked locked(lock_);
    const Entry* const slot = paging_.find(page.value);
    if (slot == nullptr || *slot == 0) return {};
    return page_of(*slot, page.value);
}

std::size_t EntryMap::list(VirtAddr from, std::span<Area> areas) const {
    const Locked locked(lock_);
    std::size_t count = 0;
    std::uint64_t id_before = 0;
    paging_.tables(
        from.value, space_range.end.value,
        [&](const Entry* table, std::uint64_t at, std::uint64_t end) {
            if (table == nullptr) return true;
            for (; at < end; at += page_size) {
                const Entry entry = table[Paging::index(at, 1)];
                if (entry == 0) continue;
                const std::uint64_t id = has_frame(entry) ? 0 : (entry & bit::frame) >> id_shift;
                if (count != 0) {
                    Area& area = areas[count - 1];
                    if (area.range.end.value == at && id == id_before &&
                        area.access.bits() == (entry & bit::access) >> bit::access_shift) {
                        area.range.end = VirtAddr{at + page_size};
                        continue;
                    }
                }
                if (count == areas.size()) return false;
                const Page page = page_of(entry, at);
                areas[count++] = {{VirtAddr{at}, VirtAddr{at + page_size}},
                                  page.access,
                                  page.object,
                                  page.offset};
                id_before = id;
            }
            return true;
        });
    return count;
}

bool EntryMap::fault(VirtAddr page) {
    const Locked locked(lock_);
    Entry* const slot = paging_.find(page.value);
    if (slot == nullptr || *slot == 0) return false;
    const bool of_object = !has_frame(*slot) && (*slot & bit::frame) != 0;
    const vm::Access access = access_of(*slot);
    if (of_object || !access.writable()) return false;
    paging_.make_writable(*slot, access);
    return true;
}

void* EntryMap::memory(VirtAddr page) const {
    const Entry* const slot = paging_.find(page.value);
    if (slot == nullptr || !has_frame(*slot)) return nullptr;
    return paging_.frames().memory(*slot & bit::frame);
}

std::unique_ptr<Map> EntryMap::fork() {
    const Locked locked(lock_);
    auto child = std::make_unique<EntryMap>(paging_.frames());
    child->files_ = files_;
    child->ids_ = ids_;
    paging_.fork_into(child->paging_);
    return child;
}

} // namespace compare
