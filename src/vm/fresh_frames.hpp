// SPDX-License-Identifier: MIT
// Frames between allocation and the entry that will hold them.
#pragma once

#include "vm/frames.hpp"

namespace vm {

/// 2^order frames that nothing has reached yet; given back unless they are installed.
class FreshFrames {
public:
    explicit FreshFrames(unsigned order) : order_(order) {}
    ~FreshFrames() {
        if (first_.value != 0) free_frames(first_, order_);
    }
    FreshFrames(const FreshFrames&) = delete;
    FreshFrames& operator=(const FreshFrames&) = delete;

    /// Takes them, whatever they hold. False if there are none.
    bool allocate(FrameKind kind) {
        const auto first = order_ == 0 ? allocate_frame(kind) : allocate_frames(kind, order_);
        if (first) first_ = *first;
        return first.ok();
    }
    void fill_with_zeros() { port::zero_pages(direct(first_), 1ULL << order_); }
    /// Takes them, filled with zeros. False if there are none.
    bool allocate_zeros(FrameKind kind) {
        if (!allocate(kind)) return false;
        fill_with_zeros();
        return true;
    }
    /// Takes one, as a copy of another, which records the same page of an object, if any. False if
    /// there is none.
    bool allocate_copy(FrameKind kind, PhysAddr original) {
        if (!allocate(kind)) return false;
        port::copy_page(direct(first_), direct(original));
        frame_record(first_).object = frame_record(original).object;
        frame_record(first_).index = frame_record(original).index;
        return true;
    }
    PhysAddr first() const { return first_; }
    /// An entry holds them now.
    void install() { first_ = PhysAddr{}; }

private:
    const unsigned order_;
    PhysAddr first_{};
};

} // namespace vm
