// SPDX-License-Identifier: MIT
// Frames: the buddy allocator over zones with holes, its records and its counts.
#include "vm/frames.hpp"

#include "shim/check.hpp"
#include "shim/machine.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace {

using namespace vm;
using shim::Machine;
using shim::MachineOptions;
using shim::Totals;

std::uint64_t of_kind(FrameKind kind) {
    return frame_statistics().by_kind[static_cast<unsigned>(kind)];
}

bool in_zones(const std::vector<PhysRange>& zones, PhysAddr first, unsigned order) {
    return std::ranges::any_of(zones, [&](const PhysRange& zone) {
        return zone.start <= first && first + (page_size << order) <= zone.end;
    });
}

/// Blocks in use, by first address; says whether a new one meets another.
class Blocks {
public:
    bool add(PhysAddr first, unsigned order) {
        const std::uint64_t end = first.value + (page_size << order);
        const auto above = blocks_.lower_bound(first.value);
        if (above != blocks_.end() && above->first < end) return false;
        if (above != blocks_.begin() && std::prev(above)->second > first.value) return false;
        blocks_[first.value] = end;
        return true;
    }
    void remove(PhysAddr first) { blocks_.erase(first.value); }

private:
    std::map<std::uint64_t, std::uint64_t> blocks_;
};

std::vector<PhysAddr> take_all(FrameKind kind) {
    std::vector<PhysAddr> frames;
    for (;;) {
        const auto frame = allocate_frame(kind);
        if (!frame.ok()) {
            CHECK(frame.error() == Error::no_memory);
            return frames;
        }
        frames.push_back(*frame);
    }
}

} // namespace

TEST_CASE("all usable memory but frame 0 is managed, and nothing else") {
    Machine machine;
    std::uint64_t frames = 0;
    for (const PhysRange& zone : machine.options().zones) {
        frames += zone.bytes() / page_size;
        if (zone.start.value != 0) CHECK(is_managed(zone.start));
        CHECK(is_managed(PhysAddr{zone.end.value - page_size}));
    }
    const FrameStatistics statistics = frame_statistics();
    CHECK(statistics.total == frames - 1);
    std::uint64_t sum = 0;
    for (const std::uint64_t kind : statistics.by_kind) sum += kind;
    CHECK(sum == statistics.total);
    CHECK_FALSE(is_managed(PhysAddr{0}));
    CHECK_FALSE(is_managed(PhysAddr{0x9f000}));
    CHECK_FALSE(is_managed(PhysAddr{0x1100000}));
    CHECK_FALSE(is_managed(PhysAddr{0x13ff000}));
    CHECK_FALSE(is_managed(PhysAddr{0xfffff000}));
    CHECK_FALSE(is_managed(PhysAddr{shim::physical_limit}));
}

TEST_CASE("the zero frame holds zeros") {
    Machine machine;
    const auto* bytes = static_cast<const std::uint8_t*>(direct(zero_frame()));
    CHECK(zero_frame().value != 0);
    CHECK(zero_frame().page_aligned());
    CHECK(std::all_of(bytes, bytes + page_size, [](std::uint8_t byte) { return byte == 0; }));
}

TEST_CASE("a block is aligned to its size, in one zone, with its kind and one reference") {
    Machine machine;
    const Totals before = Totals::now();
    std::vector<std::pair<PhysAddr, unsigned>> blocks;
    Blocks used;
    for (unsigned order = 0; order <= 11; ++order) {
        const auto block = allocate_frames(FrameKind::kernel, order);
        REQUIRE(block.ok());
        CHECK(block->value % (page_size << order) == 0);
        CHECK(in_zones(machine.options().zones, *block, order));
        CHECK(used.add(*block, order));
        CHECK(frame_record(*block).kind == FrameKind::kernel);
        CHECK(frame_record(*block).references.load() == 1);
        blocks.emplace_back(*block, order);
    }
    CHECK(of_kind(FrameKind::kernel) ==
          before.by_kind[static_cast<unsigned>(FrameKind::kernel)] + (1U << 12) - 1);
    for (const auto& [first, order] : blocks) free_frames(first, order);
    CHECK(Totals::now() == before);
}

TEST_CASE("a block larger than any zone, or of an order beyond the last, is refused") {
    Machine machine;
    const Totals before = Totals::now();
    CHECK(allocate_frames(FrameKind::kernel, order_limit - 1).error() == Error::no_memory);
    CHECK(allocate_frames(FrameKind::kernel, 14).error() == Error::no_memory);
    CHECK(Totals::now() == before);
}

TEST_CASE("every frame can be had once; then there is no memory; then all comes back whole") {
    Machine machine;
    const Totals before = Totals::now();
    const std::uint64_t free = of_kind(FrameKind::free);
    std::vector<PhysAddr> frames = take_all(FrameKind::anonymous);
    CHECK(frames.size() == free);
    CHECK(of_kind(FrameKind::free) == 0);
    CHECK(allocate_frames(FrameKind::kernel, 0).error() == Error::no_memory);
    CHECK(allocate_zeroed_frame(FrameKind::kernel).error() == Error::no_memory);
    std::set<std::uint64_t> different;
    for (const PhysAddr frame : frames) {
        different.insert(frame.value);
        if (!in_zones(machine.options().zones, frame, 0)) FAIL("outside memory");
    }
    CHECK(different.size() == frames.size());
    CHECK_FALSE(different.contains(0));
    CHECK_FALSE(different.contains(zero_frame().value));
    std::shuffle(frames.begin(), frames.end(), std::mt19937_64(3));
    for (const PhysAddr frame : frames) free_frame(frame);
    CHECK(Totals::now() == before);
    // Merged again: the 32 MiB zone above 4 GiB is one block of order 13 or its halves.
    const auto large = allocate_frames(FrameKind::kernel, 12);
    REQUIRE(large.ok());
    free_frames(*large, 12);
    CHECK(Totals::now() == before);
}

TEST_CASE("buddies merge only when both halves are free") {
    Machine machine({.zones = {{PhysAddr{0x400000}, PhysAddr{0x800000}}}});
    drain_frame_caches();
    std::vector<PhysAddr> frames = take_all(FrameKind::kernel);
    // Every second frame: nothing of order 1 can be had.
    for (const PhysAddr frame : frames) {
        if ((frame.value >> page_bits) % 2 == 0) free_frame(frame);
    }
    drain_frame_caches();
    CHECK(allocate_frames(FrameKind::kernel, 1).error() == Error::no_memory);
    // One odd frame more: exactly one pair.
    const auto odd = std::ranges::find_if(frames, [&](PhysAddr frame) {
        const bool is_odd = (frame.value >> page_bits) % 2 == 1;
        return is_odd &&
               std::ranges::find(frames, PhysAddr{frame.value - page_size}) != frames.end();
    });
    REQUIRE(odd != frames.end());
    free_frame(*odd);
    drain_frame_caches();
    const auto pair = allocate_frames(FrameKind::kernel, 1);
    REQUIRE(pair.ok());
    CHECK(pair->value == odd->value - page_size);
    CHECK(allocate_frames(FrameKind::kernel, 1).error() == Error::no_memory);
}

TEST_CASE("a zeroed frame is zero, whatever it held") {
    Machine machine({.zones = MachineOptions::small_zones()});
    for (unsigned n = 0; n < 300; ++n) {
        const auto frame = allocate_zeroed_frame(FrameKind::anonymous);
        REQUIRE(frame.ok());
        auto* bytes = static_cast<std::uint8_t*>(direct(*frame));
        const bool zero =
            std::all_of(bytes, bytes + page_size, [](std::uint8_t byte) { return byte == 0; });
        CHECK(zero);
        std::fill(bytes, bytes + page_size, std::uint8_t{0x77});
        if (n % 2 == 0) free_frame(*frame);
    }
}

TEST_CASE("the last release frees") {
    Machine machine;
    const Totals before = Totals::now();
    const auto frame = allocate_frame(FrameKind::anonymous);
    REQUIRE(frame.ok());
    frame_record(*frame).references.fetch_add(1);
    release_frame(*frame);
    CHECK(frame_record(*frame).kind == FrameKind::anonymous);
    CHECK(frame_record(*frame).references.load() == 1);
    release_frame(*frame);
    CHECK(frame_record(*frame).kind == FrameKind::free);
    CHECK(Totals::now() == before);
}

TEST_CASE("a refused allocation changes nothing") {
    Machine machine;
    const Totals before = Totals::now();
    shim::fail_allocation_after(0);
    CHECK(allocate_frames(FrameKind::kernel, 3).error() == Error::no_memory);
    CHECK(shim::allow_allocations());
    shim::fail_allocation_after(0);
    CHECK(allocate_frame(FrameKind::kernel).error() == Error::no_memory);
    CHECK(shim::allow_allocations());
    shim::fail_allocation_after(0);
    CHECK(allocate_zeroed_frame(FrameKind::kernel).error() == Error::no_memory);
    CHECK(shim::allow_allocations());
    CHECK(Totals::now() == before);
    CHECK(allocate_frame(FrameKind::kernel).ok());
}

TEST_CASE("CPUs free what others took, and draining finds all") {
    Machine machine({.cpus = 4});
    const Totals before = Totals::now();
    std::vector<PhysAddr> frames;
    for (unsigned n = 0; n < 400; ++n) {
        shim::set_cpu(n % 4);
        const auto frame = allocate_frame(FrameKind::anonymous);
        REQUIRE(frame.ok());
        frames.push_back(*frame);
    }
    for (std::size_t n = 0; n < frames.size(); ++n) {
        shim::set_cpu((n + 1) % 4);
        free_frame(frames[n]);
    }
    shim::set_cpu(0);
    CHECK(Totals::now() == before);
}

TEST_CASE("random blocks never meet, never leave memory, and all come back") {
    for (const std::uint64_t seed : {11U, 12U, 13U, 14U}) {
        CAPTURE(seed);
        Machine machine;
        const Totals before = Totals::now();
        std::mt19937_64 random(seed);
        std::vector<std::pair<PhysAddr, unsigned>> blocks;
        Blocks used;
        bool good = true;
        for (unsigned step = 0; step < 20'000 && good; ++step) {
            if (blocks.empty() || random() % 100 < 55) {
                const auto order = static_cast<unsigned>(random() % 100 < 70 ? 0 : random() % 9);
                const auto block = order == 0 && random() % 2 == 0
                                       ? allocate_frame(FrameKind::anonymous)
                                       : allocate_frames(FrameKind::anonymous, order);
                if (!block.ok()) continue;
                good = used.add(*block, order) && in_zones(machine.options().zones, *block, order);
                blocks.emplace_back(*block, order);
            } else {
                std::swap(blocks[random() % blocks.size()], blocks.back());
                const auto [first, order] = blocks.back();
                blocks.pop_back();
                used.remove(first);
                if (order == 0 && random() % 2 == 0)
                    free_frame(first);
                else
                    free_frames(first, order);
            }
        }
        CHECK(good);
        for (const auto& [first, order] : blocks) free_frames(first, order);
        CHECK(Totals::now() == before);
    }
}
