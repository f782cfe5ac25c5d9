// SPDX-License-Identifier: MIT
// Zone: buddy allocation over one contiguous range of memory. Free blocks are threaded through the
// frame records, so the memory itself is never touched.
#pragma once

#include "vm/frames.hpp"
#include "vm/lock.hpp"

namespace vm {

/// Frame numbers are 32 bits wide in the records: 16 TiB of memory.
using FrameNumber = std::uint32_t;

class Zone {
public:
    /// Takes the frames [first, end) as free blocks, as large as alignment lets them be.
    void initialise(Frame* records, FrameNumber first, FrameNumber end);
    bool contains(FrameNumber frame) const { return first_ <= frame && frame < end_; }
    FrameNumber frames() const { return end_ - first_; }

    /// A block of 2^order frames, taken off the free lists; 0 if there is none.
    FrameNumber take(unsigned order);
    /// Takes up to `count` single frames; gives how many. One lock for all of them.
    unsigned take_batch(FrameNumber* frames, unsigned count);
    /// Gives a block back and merges it with its free buddies.
    void give(FrameNumber frame, unsigned order);
    /// The same for single frames: bit n of `frames` stands for frame `first` + n. One lock for
    /// all, and neighbours go as blocks. Gives those that lie in other zones. Precondition: `first`
    /// is a multiple of 64.
    std::uint64_t give_group(FrameNumber first, std::uint64_t frames);

private:
    FrameNumber take_locked(unsigned order);
    void give_locked(FrameNumber frame, unsigned order);
    void push(FrameNumber frame, unsigned order);
    void unlink(FrameNumber frame, unsigned order);

    SpinLock<Rank::frames> lock_;
    Plain<Frame*> records_ = nullptr;
    Plain<FrameNumber> first_ = 0;
    Plain<FrameNumber> end_ = 0;
    Plain<std::uint32_t> nonempty_ = 0;       ///< bit n: heads_[n] is not empty
    Plain<FrameNumber> heads_[order_limit]{}; ///< 0: empty, since frame 0 is never free
};

} // namespace vm
