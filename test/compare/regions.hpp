// SPDX-License-Identifier: MIT
// A map out of regions and page tables, over whatever keeps the regions:
//
//   Store   at_or_above(address), below(address): the region that ends above, begins below
//           replace(range, kind or null): takes a range out and puts a region in, or nothing;
//               neighbours of the same kind become one. True if anything was mapped there
//           first_fit(bytes, from)
#pragma once

#include "compare/map.hpp"
#include "compare/paging.hpp"

#include <algorithm>
#include <atomic>

namespace compare {

struct Region {
    std::uint64_t start;
    std::uint64_t end;
    Kind kind;
};

/// What becomes of the regions that touch a range: at most three, in order.
class Pieces {
public:
    void add(const Region& region) {
        if (count_ != 0 && pieces_[count_ - 1].end == region.start &&
            pieces_[count_ - 1].kind == region.kind)
            pieces_[count_ - 1].end = region.end;
        else
            pieces_[count_++] = region;
    }
    const Region* begin() const { return pieces_; }
    const Region* end() const { return pieces_ + count_; }
    std::size_t size() const { return count_; }

private:
    Region pieces_[3];
    std::size_t count_ = 0;
};

/// Held for one operation, as a kernel's map is.
class MapLock {
public:
    void lock() {
        while (word_.exchange(1, std::memory_order_acquire) != 0) {
        }
    }
    void unlock() { word_.store(0, std::memory_order_release); }

private:
    std::atomic<std::uint32_t> word_{0};
};
class [[nodiscard]] Locked {
public:
    explicit Locked(MapLock& lock) : lock_(lock) { lock_.lock(); }
    ~Locked() { lock_.unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

private:
    MapLock& lock_;
};

template <typename Store>
class RegionMap final : public Map {
public:
    explicit RegionMap(Frames& frames) : paging_(frames) {}

    void map(VirtRange range, const Kind& kind) override {
        const Locked locked(lock_);
        place(range, kind);
    }
    std::optional<VirtAddr> map_anywhere(PageCount pages, const Kind& kind,
                                         VirtAddr from) override {
        const Locked locked(lock_);
        const auto at = store_.first_fit(pages.bytes(), from.value);
        if (!at) return std::nullopt;
        store_.replace(*at, *at + pages.bytes(), &kind);
        return VirtAddr{*at};
    }
    void unmap(VirtRange range) override {
        const Locked locked(lock_);
        if (store_.replace(range.start.value, range.end.value, nullptr))
            paging_.clear(range.start.value, range.end.value);
    }
    bool protect(VirtRange range, vm::Access access) override {
        const Locked locked(lock_);
        if (!covers(range)) return false;
        for (std::uint64_t at = range.start.value; at < range.end.value;) {
            const Region* const region = store_.at_or_above(at);
            if (region == nullptr) return false;
            const std::uint64_t end = std::min(region->end, range.end.value);
            Kind kind = region->kind;
            kind.access = access;
            if (kind != region->kind) store_.replace(at, end, &kind);
            at = end;
        }
        paging_.each(range.start.value, range.end.value,
                     [&](Entry& slot, std::uint64_t) { slot = with_access(slot, access); });
        return true;
    }
    bool discard(VirtRange range) override {
        const Locked locked(lock_);
        if (!covers(range)) return false;
        paging_.clear(range.start.value, range.end.value);
        return true;
    }
    void move(VirtRange from, VirtRange to) override {
        const Locked locked(lock_);
        const std::uint64_t distance = to.start.value - from.start.value;
        for (std::uint64_t at = from.start.value; at < from.end.value;) {
            const Region* const region = store_.at_or_above(at);
            if (region == nullptr) return;
            const std::uint64_t end = std::min(region->end, from.end.value);
            Kind kind = region->kind;
            if (kind.object != 0) kind.base += distance;
            store_.replace(at, end, nullptr);
            store_.replace(at + distance, end + distance, &kind);
            at = end;
        }
        paging_.move(from.start.value, from.end.value, to.start.value);
    }

    std::optional<VirtAddr> first_fit(PageCount pages, VirtAddr from) const override {
        const Locked locked(lock_);
        const auto at = store_.first_fit(pages.bytes(), from.value);
        return at ? std::optional(VirtAddr{*at}) : std::nullopt;
    }
    std::optional<VirtAddr> nearest(VirtAddr address, abi::Direction direction) const override {
        const Locked locked(lock_);
        const bool up = direction == abi::Direction::up;
        const Region* const region =
            up ? store_.at_or_above(address.value) : store_.below(address.value);
        if (region == nullptr) return std::nullopt;
        return VirtAddr{up ? std::max(region->start, address.value)
                           : std::min(region->end, address.value)};
    }
    Page lookup(VirtAddr page) const override {
        const Locked locked(lock_);
        const Region* const region = store_.at_or_above(page.value);
        if (region == nullptr || page.value < region->start) return {};
        const Kind& kind = region->kind;
        return {true, kind.access, kind.object, kind.object != 0 ? page.value - kind.base : 0};
    }
    std::size_t list(VirtAddr from, std::span<Area> areas) const override {
        const Locked locked(lock_);
        return store_.list(from.value, areas);
    }

    bool fault(VirtAddr page) override {
        const Locked locked(lock_);
        const Region* const region = store_.at_or_above(page.value);
        if (region == nullptr || page.value < region->start || region->kind.object != 0 ||
            !region->kind.access.writable())
            return false;
        paging_.make_writable(paging_.make(page.value), region->kind.access);
        return true;
    }
    void* memory(VirtAddr page) const override {
        const Entry* const slot = paging_.find(page.value);
        if (slot == nullptr || !has_frame(*slot)) return nullptr;
        return paging_.frames().memory(*slot & bit::frame);
    }
    std::unique_ptr<Map> fork() override {
        const Locked locked(lock_);
        auto child = std::make_unique<RegionMap>(paging_.frames());
        child->store_ = store_;
        paging_.fork_into(child->paging_);
        return child;
    }

private:
    void place(VirtRange range, const Kind& kind) {
        if (store_.replace(range.start.value, range.end.value, &kind))
            paging_.clear(range.start.value, range.end.value);
    }
    bool covers(VirtRange range) const {
        for (std::uint64_t at = range.start.value; at < range.end.value;) {
            const Region* const region = store_.at_or_above(at);
            if (region == nullptr || at < region->start) return false;
            at = region->end;
        }
        return true;
    }

    mutable MapLock lock_;
    Store store_;
    Paging paging_;
};

/// As a listing names it.
inline Area area_of(const Region& region) {
    const Kind& kind = region.kind;
    return {{VirtAddr{region.start}, VirtAddr{region.end}},
            kind.access,
            kind.object,
            kind.object != 0 ? region.start - kind.base : 0};
}

} // namespace compare
