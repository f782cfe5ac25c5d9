// SPDX-License-Identifier: MIT
// Small structures of one type, cut from frames of their own.
#pragma once

#include "vm/frames.hpp"
#include "vm/lock.hpp"

#include <cstdint>
#include <new>

namespace vm {

/// Free pieces are doubly linked, so that those of an emptied frame can be taken out. A frame's
/// record counts in `index` how many of its pieces are in use; at none the frame is freed.
template <typename T, Rank rank>
class FrameSlab {
public:
    /// A piece, newly constructed. Error: no_memory.
    Result<T*> take() {
        auto pool = free_.lock();
        if (Free* piece = pool->first; piece != nullptr) {
            pool->unlink(piece);
            ++frame_record(home(piece)).index;
            return new (piece) T();
        }
        // Under the lock, so that no frame is taken while a piece is free: there are never more
        // frames than the most pieces that were in use at once need.
        const PhysAddr frame = TRY(allocate_frame(FrameKind::descriptor));
        auto* const fresh = static_cast<std::byte*>(direct(frame));
        for (unsigned at = 1; at < per_frame; ++at)
            pool->push(reinterpret_cast<Free*>(fresh + at * sizeof(T)));
        frame_record(frame).index = 1;
        return new (fresh) T();
    }
    void give(T* piece) {
        auto* const free = reinterpret_cast<Free*>(piece);
        const PhysAddr frame = home(free);
        {
            auto pool = free_.lock();
            pool->push(free);
            if (--frame_record(frame).index != 0) return;
            auto* const first = static_cast<std::byte*>(direct(frame));
            for (unsigned at = 0; at < per_frame; ++at)
                pool->unlink(reinterpret_cast<Free*>(first + at * sizeof(T)));
        }
        free_frame(frame);
    }
    /// Forgets all pieces: a fresh machine begins.
    void reset() { free_.lock()->first = nullptr; }

private:
    static constexpr unsigned per_frame = page_size / sizeof(T);

    struct Free {
        Plain<Free*> next;
        Plain<Free*> previous;
    };
    struct List {
        Plain<Free*> first = nullptr;

        void push(Free* piece) {
            *piece = {first, nullptr};
            if (first != nullptr) first->previous = piece;
            first = piece;
        }
        void unlink(Free* piece) {
            (piece->previous != nullptr ? piece->previous->next : first) = piece->next;
            if (piece->next != nullptr) piece->next->previous = piece->previous;
        }
    };
    static PhysAddr home(const Free* piece) {
        return PhysAddr{
            align_down(reinterpret_cast<std::uintptr_t>(piece) - port::direct_map, page_size)};
    }

    Guarded<List, rank> free_;
};

} // namespace vm
