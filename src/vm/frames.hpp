// SPDX-License-Identifier: MIT
// Frames: physical memory by the page. A record per frame, and buddy allocation over zones.
#pragma once

#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/atomic.hpp"
#include "vm/port.hpp"

#include <cstddef>
#include <span>

namespace vm {

struct TableDescriptor;

/// What a frame is used for. `reserved` (0, so that zeroed records are born so) is memory that the
/// allocator does not own: firmware, the kernel image, holes, the frame of address 0.
/// `cache_table`: a table of a memory object.
enum class FrameKind : std::uint8_t {
    reserved,
    free,
    table,
    descriptor,
    kernel,
    anonymous,
    cache,
    cache_table
};
inline constexpr unsigned frame_kind_count = 8;

/// The record of one frame. 32 bytes; all zero is valid (reserved).
struct Frame {
    Atomic<std::uint32_t> references{0}; ///< users of an allocated frame
    Plain<FrameKind> kind{};
    Plain<std::uint8_t> order = 0; ///< of the allocated block that this frame heads
    /// Order + 1 of the block that this frame heads in its zone's free lists; 0: in none. Written
    /// and read under the zone's lock, where a neighbour's `kind` and `order` may be changing.
    Plain<std::uint8_t> listed = 0;
    Atomic<bool> written{
        false}; ///< of a cached page: shared mappings wrote it, and nobody asked yet
    union {
        Plain<TableDescriptor*> table = nullptr; ///< of a table
        /// Of a cached page, of a private copy of one, and of an object's table: the number of the
        /// object, which may have ended since.
        Plain<std::uint64_t> object;
    };
    Plain<std::uint64_t> index = 0; ///< of such a page, or the first one below: its index there
    Plain<std::uint32_t> next = 0;  ///< frame numbers: free lists, pending frees
    Plain<std::uint32_t> previous = 0;

    /// Whether it is a block of one frame of that kind: both bytes in one look.
    bool is_single(FrameKind wanted) const {
        std::uint16_t both = 0;
        __builtin_memcpy(&both, reinterpret_cast<const std::byte*>(this) + offsetof(Frame, kind),
                         2);
        return both == static_cast<std::uint16_t>(wanted);
    }
};
static_assert(sizeof(Frame) == 32);
static_assert(offsetof(Frame, order) == offsetof(Frame, kind) + 1);

/// Blocks are of 2^order frames; 18 is 1 GiB.
inline constexpr unsigned order_limit = 19;
/// In Frame::order: free.
inline constexpr std::uint8_t no_order = 0xff;

/// Takes memory into use. `records`: one Frame for each frame number below `count`, zeroed and
/// backed at least where `usable` says that memory is. Called once, before anything else here, on
/// one CPU. Frame 0 is never used. `usable` need not be sorted; must not overlap.
void initialise_frames(std::span<const PhysRange> usable, Frame* records, std::uint64_t count);

/// Allocates 2^order frames, aligned to their size, contents undefined, references 1.
/// Error: no_memory. Takes frames-rank locks only.
Result<PhysAddr> allocate_frames(FrameKind kind, unsigned order);
/// One frame from this CPU's cache.
Result<PhysAddr> allocate_frame(FrameKind kind);
/// One frame filled with zeros.
Result<PhysAddr> allocate_zeroed_frame(FrameKind kind);
/// Gives back what allocate_frames gave.
void free_frames(PhysAddr first, unsigned order);
void free_frame(PhysAddr frame);
/// Makes an allocated block one of single frames, each with the users that the block had; each is
/// given back by itself from then on.
void split_frames(PhysAddr first, unsigned order);
/// The way back: 2^order single frames, aligned to their size, that have no user but the caller.
void join_frames(PhysAddr first, unsigned order);
/// Uses an allocated single frame for something else from now on.
void change_kind(PhysAddr frame, FrameKind kind);
/// Drops one reference; frees the frame when it was the last.
void release_frame(PhysAddr frame);

/// Gives many single frames back together: past this CPU's cache, neighbours as blocks.
class FrameDrop {
public:
    FrameDrop() = default;
    ~FrameDrop() { flush(); }
    FrameDrop(const FrameDrop&) = delete;
    FrameDrop& operator=(const FrameDrop&) = delete;
    /// Takes over a frame of kind anonymous that has no user but the caller, to give it back at the
    /// latest when this ends. False, and nothing done, for any other frame.
    bool take(PhysAddr frame);

private:
    void flush();
    std::uint32_t group_ = 0;  ///< number of the first frame, a multiple of 64
    std::uint64_t frames_ = 0; ///< bit n: `group_` + n is to be given back
};

namespace frames_detail {
extern Frame* records;
extern PhysAddr zeros;
} // namespace frames_detail

/// The record of a frame. Precondition: below the count given at boot.
inline Frame& frame_record(PhysAddr frame) {
    return frames_detail::records[frame.value >> page_bits];
}
inline bool FrameDrop::take(PhysAddr frame) {
    Frame& record = frame_record(frame);
    // The one reference is the caller's, so nobody can add to it meanwhile.
    if (record.references.load(std::memory_order_acquire) != 1 ||
        !record.is_single(FrameKind::anonymous)) [[unlikely]]
        return false;
    const auto number = static_cast<std::uint32_t>(frame.value >> page_bits);
    if ((number ^ group_) >= 64) {
        flush();
        group_ = number / 64 * 64;
    }
    frames_ |= 1ULL << (number % 64);
    record.kind = FrameKind::free;
    record.order = no_order;
    return true;
}
/// Whether an allocated frame has more users than one. Who has the only reference alone can say no,
/// and be sure that it stays so.
inline bool has_users(PhysAddr frame) {
    return frame_record(frame).references.load(std::memory_order_acquire) != 1;
}
/// Whether the address is memory that the allocator manages.
bool is_managed(PhysAddr frame);
/// The frame of zeros that first reads map; never freed, its users not counted: the record says
/// two, so that nobody takes it for their own.
inline PhysAddr zero_frame() { return frames_detail::zeros; }

/// Numbers of frames.
struct FrameStatistics {
    std::uint64_t total;                     ///< managed
    std::uint64_t by_kind[frame_kind_count]; ///< free includes the CPUs' caches
};
FrameStatistics frame_statistics();
/// Gives the caches of all CPUs back to the buddy lists (tests, pressure).
void drain_frame_caches();

} // namespace vm
