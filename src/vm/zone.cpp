// SPDX-License-Identifier: MIT
// Buddy allocation: a block of 2^n frames is aligned to its size, its buddy is the other half of
// the block of 2^(n+1). A record says that it is listed, of order n, exactly for the heads of
// listed blocks.
#include "vm/zone.hpp"

#include <algorithm>
#include <bit>

namespace vm {

void Zone::initialise(Frame* records, FrameNumber first, FrameNumber end) {
    records_ = records;
    first_ = first;
    end_ = end;
    nonempty_ = 0;
    for (auto& head : heads_) head = 0;
    FrameNumber at = first;
    while (at < end) {
        unsigned order = at == 0 ? order_limit - 1 : static_cast<unsigned>(std::countr_zero(at));
        order = order < order_limit ? order : order_limit - 1;
        while ((FrameNumber{1} << order) > end - at) --order;
        push(at, order);
        at += FrameNumber{1} << order;
    }
}

void Zone::push(FrameNumber frame, unsigned order) {
    Frame& record = records_[frame];
    record.kind = FrameKind::free;
    record.order = no_order;
    record.listed = static_cast<std::uint8_t>(order + 1);
    record.previous = 0;
    record.next = heads_[order];
    if (record.next != 0) records_[record.next].previous = frame;
    heads_[order] = frame;
    nonempty_ |= 1U << order;
}

void Zone::unlink(FrameNumber frame, unsigned order) {
    Frame& record = records_[frame];
    if (record.previous != 0) {
        records_[record.previous].next = record.next;
    } else {
        heads_[order] = record.next;
        if (record.next == 0) nonempty_ &= ~(1U << order);
    }
    if (record.next != 0) records_[record.next].previous = record.previous;
    record.listed = 0;
}

FrameNumber Zone::take_locked(unsigned order) {
    const std::uint32_t large_enough = nonempty_ >> order << order;
    if (large_enough == 0) return 0;
    unsigned found = static_cast<unsigned>(std::countr_zero(large_enough));
    const FrameNumber frame = heads_[found];
    unlink(frame, found);
    while (found > order) {
        --found;
        push(frame + (FrameNumber{1} << found), found);
    }
    return frame;
}

void Zone::give_locked(FrameNumber frame, unsigned order) {
    while (order + 1 < order_limit) {
        const FrameNumber buddy = frame ^ (FrameNumber{1} << order);
        if (buddy < first_ || buddy >= end_ || end_ - buddy < (FrameNumber{1} << order)) break;
        if (records_[buddy].listed != order + 1) break;
        unlink(buddy, order);
        frame &= buddy;
        ++order;
    }
    push(frame, order);
}

FrameNumber Zone::take(unsigned order) {
    Guard guard(lock_);
    return take_locked(order);
}

unsigned Zone::take_batch(FrameNumber* frames, unsigned count) {
    Guard guard(lock_);
    unsigned taken = 0;
    // In blocks, as large as there are: neighbours that are used together come back together.
    for (unsigned order = static_cast<unsigned>(std::bit_width(count)); taken < count;) {
        order = std::min(order, static_cast<unsigned>(std::bit_width(count - taken)) - 1);
        const FrameNumber first = take_locked(order);
        if (first == 0 && order-- == 0) break;
        const unsigned got = first == 0 ? 0 : 1U << order;
        for (unsigned at = 0; at < got; ++at) frames[taken++] = first + at;
    }
    return taken;
}

void Zone::give(FrameNumber frame, unsigned order) {
    Guard guard(lock_);
    give_locked(frame, order);
}

std::uint64_t Zone::give_group(FrameNumber first, std::uint64_t frames) {
    constexpr unsigned group_order = 6;
    const auto block = [](unsigned order) { return ~0ULL >> (64 - (1U << order)); };
    std::uint64_t mine = frames;
    if (first < first_) mine &= ~0ULL << (first_ - first);
    if (end_ - first < 64) mine &= ~0ULL >> (64 - (end_ - first));
    Guard guard(lock_);
    for (std::uint64_t left = mine; left != 0;) {
        const auto at = static_cast<unsigned>(std::countr_zero(left));
        unsigned order = at == 0 ? group_order : static_cast<unsigned>(std::countr_zero(at));
        while ((~(left >> at) & block(order)) != 0) --order;
        give_locked(first + at, order);
        left &= ~(block(order) << at);
    }
    return frames & ~mine;
}

} // namespace vm
