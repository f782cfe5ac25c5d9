// SPDX-License-Identifier: MIT
// Frames: the CPUs' caches in front of the zones, and the counts by kind.
#include "vm/frames.hpp"

#include "vm/heap.hpp"
#include "vm/idle.hpp"
#include "vm/published.hpp"
#include "vm/table.hpp"
#include "vm/zone.hpp"

#include <algorithm>
#include <bit>

namespace vm {

namespace frames_detail {
constinit Frame* records = nullptr;
constinit PhysAddr zeros{};
} // namespace frames_detail
using frames_detail::records;

namespace {

constexpr unsigned zone_limit = 128;
constexpr unsigned cache_size = 64;
constexpr unsigned cache_batch = 32;

/// What one CPU keeps for itself: single frames, and its share of the counts.
struct alignas(64) CpuFrames {
    SpinLock<Rank::frames> lock; ///< contended only by drain_frame_caches
    Published<unsigned> count;
    /// May go below zero: only the sum counts. Free are those that are nothing else.
    Published<std::int64_t> by_kind[frame_kind_count]{};
    Plain<FrameNumber> frames[cache_size]{};
};

constinit CpuFrames cpus[port::cpu_limit];
constinit Zone zones[zone_limit];
constinit unsigned zone_count = 0;
constinit std::uint64_t managed = 0;

constexpr FrameNumber number_of(PhysAddr frame) {
    return static_cast<FrameNumber>(frame.value >> page_bits);
}
constexpr PhysAddr address_of(FrameNumber frame) {
    return PhysAddr{std::uint64_t{frame} << page_bits};
}

void count(CpuFrames& cpu, FrameKind kind, std::int64_t frames) {
    cpu.by_kind[static_cast<unsigned>(kind)] += frames;
}

Zone& zone_of(FrameNumber frame) {
    for (Zone& zone : std::span(zones, zone_count))
        if (zone.contains(frame)) return zone;
    port::panic("a frame outside of all zones was freed");
}

/// Fills an empty cache from the zones. False when there is nothing.
bool refill(CpuFrames& cpu) {
    FrameNumber batch[cache_batch];
    for (Zone& zone : std::span(zones, zone_count)) {
        const unsigned taken = zone.take_batch(batch, cache_batch);
        if (taken == 0) continue;
        Guard guard(cpu.lock);
        std::copy_n(batch, taken, cpu.frames);
        cpu.count = taken;
        return true;
    }
    return false;
}

/// A frame of this CPU's cache; 0 if it is empty.
FrameNumber take_cached(CpuFrames& cpu) {
    Guard guard(cpu.lock);
    if (cpu.count == 0) return 0;
    cpu.count = cpu.count - 1;
    return cpu.frames[cpu.count];
}

/// Gives a cache's frames beyond `keep` back to the zones.
void drain(CpuFrames& cpu, unsigned keep) {
    FrameNumber batch[cache_size];
    unsigned taken = 0;
    {
        Guard guard(cpu.lock);
        while (cpu.count > keep) {
            cpu.count = cpu.count - 1;
            batch[taken++] = cpu.frames[cpu.count];
        }
    }
    for (FrameNumber frame : std::span(batch, taken)) zone_of(frame).give(frame, 0);
}

void mark_allocated(CpuFrames& cpu, FrameNumber frame, FrameKind kind, unsigned order) {
    Frame& record = records[frame];
    record.references.store(1, std::memory_order_relaxed);
    record.kind = kind;
    record.order = static_cast<std::uint8_t>(order);
    count(cpu, kind, std::int64_t{1} << order);
}

/// Checks a block that comes back, and marks it free.
void mark_freed(CpuFrames& cpu, FrameNumber frame, unsigned order) {
    Frame& record = records[frame];
    require(record.kind > FrameKind::free && record.order == order, "a frame was freed twice");
    count(cpu, record.kind, -(std::int64_t{1} << order));
    record.kind = FrameKind::free;
    record.order = no_order;
    record.table = nullptr;
    record.index = 0;
}

} // namespace

void initialise_frames(std::span<const PhysRange> usable, Frame* all, std::uint64_t frame_count) {
    records = all;
    managed = 0;
    zone_count = 0;
    reset_tables();
    reset_idle();
    reset_heap();
    reset_stacks();
    for (CpuFrames& cpu : cpus) {
        cpu.count = 0;
        std::fill_n(cpu.by_kind, frame_kind_count, 0);
    }
    static constinit PhysRange sorted[zone_limit]; // too large for a kernel stack
    std::size_t kept = 0;
    for (const PhysRange& range : usable) {
        PhysRange whole{PhysAddr{align_up(range.start.value, page_size)},
                        PhysAddr{align_down(range.end.value, page_size)}};
        if (whole.start.value == 0) whole.start.value = page_size;
        whole.end.value = std::min(whole.end.value, frame_count << page_bits);
        if (whole.start < whole.end && kept < zone_limit) sorted[kept++] = whole;
    }
    // The highest first: low memory is scarce and some devices reach nothing else.
    std::sort(sorted, sorted + kept,
              [](const PhysRange& a, const PhysRange& b) { return b.start < a.start; });
    for (const PhysRange& range : std::span(sorted, kept)) {
        Zone& zone = zones[zone_count++];
        zone.initialise(records, number_of(range.start), number_of(range.end));
        managed += zone.frames();
    }
    const auto frame = allocate_zeroed_frame(FrameKind::kernel);
    require(frame.ok(), "no memory at all");
    frames_detail::zeros = *frame;
    frame_record(*frame).references.store(2, std::memory_order_relaxed);
}

Result<PhysAddr> allocate_frames(FrameKind kind, unsigned order) {
    require(order < order_limit, "order of a frame allocation");
    if (!port::allocation_allowed()) return Error::no_memory;
    for (bool drained = false;; drained = true) {
        for (Zone& zone : std::span(zones, zone_count)) {
            const FrameNumber frame = zone.take(order);
            if (frame == 0) continue;
            mark_allocated(cpus[port::cpu()], frame, kind, order);
            return address_of(frame);
        }
        if (drained) return Error::no_memory;
        drain_frame_caches();
    }
}

namespace {

/// The same as allocate_frame once this CPU's cache is empty.
[[gnu::noinline]] FrameNumber take_uncached(CpuFrames& cpu) {
    for (bool drained = false;; drained = true) {
        while (refill(cpu))
            if (const FrameNumber frame = take_cached(cpu); frame != 0) return frame;
        if (drained) return 0;
        drain_frame_caches();
    }
}

} // namespace

Result<PhysAddr> allocate_frame(FrameKind kind) {
    if (!port::allocation_allowed()) return Error::no_memory;
    CpuFrames& cpu = cpus[port::cpu()];
    FrameNumber frame = take_cached(cpu);
    if (frame == 0) [[unlikely]] {
        frame = take_uncached(cpu);
        if (frame == 0) return Error::no_memory;
    }
    mark_allocated(cpu, frame, kind, 0);
    return address_of(frame);
}

Result<PhysAddr> allocate_zeroed_frame(FrameKind kind) {
    const PhysAddr frame = TRY(allocate_frame(kind));
    port::zero_page(direct(frame));
    return frame;
}

void free_frames(PhysAddr first, unsigned order) {
    if (order == 0) return free_frame(first);
    mark_freed(cpus[port::cpu()], number_of(first), order);
    zone_of(number_of(first)).give(number_of(first), order);
}

void free_frame(PhysAddr address) {
    CpuFrames& cpu = cpus[port::cpu()];
    mark_freed(cpu, number_of(address), 0);
    if (cpu.count == cache_size) drain(cpu, cache_size - cache_batch);
    Guard guard(cpu.lock);
    cpu.frames[cpu.count] = number_of(address);
    cpu.count = cpu.count + 1;
}

void split_frames(PhysAddr first, unsigned order) {
    Frame* const block = &frame_record(first);
    require(block->kind > FrameKind::free && block->order == order, "splitting what is no block");
    const std::uint32_t users = block->references.load(std::memory_order_relaxed);
    for (std::uint64_t at = 0; at < 1ULL << order; ++at) {
        block[at].references.store(users, std::memory_order_relaxed);
        block[at].kind = block->kind;
        block[at].order = 0;
    }
}

void join_frames(PhysAddr first, unsigned order) {
    Frame* const block = &frame_record(first);
    for (std::uint64_t at = 0; at < 1ULL << order; ++at) {
        require(block[at].is_single(block->kind) &&
                    block[at].references.load(std::memory_order_acquire) == 1,
                "joining frames that have other users");
        if (at == 0) continue;
        block[at].kind = FrameKind::free;
        block[at].order = no_order;
    }
    block->order = static_cast<std::uint8_t>(order);
}

void change_kind(PhysAddr frame, FrameKind kind) {
    Frame& record = frame_record(frame);
    require(record.kind > FrameKind::free && record.order == 0, "another use of what is no frame");
    CpuFrames& cpu = cpus[port::cpu()];
    count(cpu, record.kind, -1);
    count(cpu, kind, 1);
    record.kind = kind;
}

void release_frame(PhysAddr frame) {
    Frame& record = frame_record(frame);
    if (record.references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        free_frames(frame, record.order);
}

void FrameDrop::flush() {
    if (frames_ == 0) return;
    CpuFrames& cpu = cpus[port::cpu()];
    count(cpu, FrameKind::anonymous, -std::int64_t{std::popcount(frames_)});
    while (frames_ != 0) {
        const unsigned first = group_ + static_cast<unsigned>(std::countr_zero(frames_));
        frames_ = zone_of(first).give_group(group_, frames_);
    }
}

bool is_managed(PhysAddr frame) {
    for (const Zone& zone : std::span(zones, zone_count))
        if (zone.contains(number_of(frame))) return true;
    return false;
}

FrameStatistics frame_statistics() {
    FrameStatistics sum{managed, {}};
    std::uint64_t free = managed;
    for (unsigned kind = 0; kind < frame_kind_count; ++kind) {
        std::int64_t frames = 0;
        for (const CpuFrames& cpu : cpus) frames += cpu.by_kind[kind];
        sum.by_kind[kind] = static_cast<std::uint64_t>(frames);
        free -= sum.by_kind[kind];
    }
    sum.by_kind[static_cast<unsigned>(FrameKind::free)] = free;
    return sum;
}

void drain_frame_caches() {
    for (CpuFrames& cpu : cpus) {
        if (cpu.count != 0) drain(cpu, 0);
    }
}

} // namespace vm
