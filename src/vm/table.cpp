// SPDX-License-Identifier: MIT
// Making and freeing tables; descriptors come from frames of their own, 32 to a frame.
#include "vm/table.hpp"

#include <algorithm>

namespace vm {

namespace {

constexpr unsigned descriptors_per_frame = page_size / sizeof(TableDescriptor);

/// Free descriptors, doubly linked so that those of an emptied frame can be taken out. A frame's
/// record counts in `index` how many of its descriptors are in use; at none the frame is freed.
struct Slab {
    TableDescriptor* free = nullptr;

    void push(TableDescriptor* descriptor) {
        descriptor->previous = nullptr;
        descriptor->next = free;
        if (free != nullptr) free->previous = descriptor;
        free = descriptor;
    }
    void unlink(TableDescriptor* descriptor) {
        (descriptor->previous != nullptr ? descriptor->previous->next : free) = descriptor->next;
        if (descriptor->next != nullptr) descriptor->next->previous = descriptor->previous;
    }
};
constinit Guarded<Slab, Rank::slab> slab;

/// The frame that a descriptor stands in.
PhysAddr home(const TableDescriptor* descriptor) {
    return PhysAddr{
        align_down(reinterpret_cast<std::uintptr_t>(descriptor) - port::direct_map, page_size)};
}

Result<TableDescriptor*> take_descriptor() {
    {
        auto pool = slab.lock();
        if (TableDescriptor* descriptor = pool->free; descriptor != nullptr) {
            pool->unlink(descriptor);
            ++frame_record(home(descriptor)).index;
            return std::construct_at(descriptor);
        }
    }
    const PhysAddr frame = TRY(allocate_frame(FrameKind::descriptor));
    auto* const fresh = static_cast<TableDescriptor*>(direct(frame));
    auto pool = slab.lock();
    for (unsigned index = 1; index < descriptors_per_frame; ++index)
        pool->push(std::construct_at(fresh + index));
    frame_record(frame).index = 1;
    return std::construct_at(fresh);
}

void give_descriptor(TableDescriptor* descriptor) {
    const PhysAddr frame = home(descriptor);
    {
        auto pool = slab.lock();
        pool->push(descriptor);
        if (--frame_record(frame).index != 0) return;
        auto* const first = static_cast<TableDescriptor*>(direct(frame));
        for (unsigned index = 0; index < descriptors_per_frame; ++index)
            pool->unlink(first + index);
    }
    free_frame(frame);
}

void initialise(TableDescriptor& descriptor, PhysAddr frame, Level level) {
    descriptor.level = static_cast<std::uint8_t>(level);
    descriptor.frame = frame;
    descriptor.longest.reset(level_pages(level + 1));
    std::fill_n(descriptor.free, std::size(descriptor.free), ~0ULL);
    frame_record(frame).table = &descriptor;
}

} // namespace

bool TableDescriptor::holds_only(Entry value, const Slot* slots) {
    if (value.empty() ? live != 0 : live != table_entries) return false;
    if (value == base) return differing == 0;
    if (differing != table_entries || slots[witness].load() != value) return false;
    for (unsigned index = 0; index < table_entries; ++index) {
        if (slots[index].load() == value) continue;
        witness = static_cast<std::uint16_t>(index);
        return false;
    }
    base = value;
    differing = 0;
    return true;
}

void reset_tables() { slab.lock()->free = nullptr; }

Result<TableDescriptor*> make_table(Level level) {
    TableDescriptor* descriptor = TRY(take_descriptor());
    const auto frame = allocate_zeroed_frame(FrameKind::table);
    if (!frame) {
        give_descriptor(descriptor);
        return frame.error();
    }
    initialise(*descriptor, *frame, level);
    return descriptor;
}

Result<TableDescriptor*> make_root(Level level) {
    if (!port::mirrored_roots()) return make_table(level);
    TableDescriptor* descriptor = TRY(take_descriptor());
    const auto frames = allocate_frames(FrameKind::table, 1);
    if (!frames) {
        give_descriptor(descriptor);
        return frames.error();
    }
    port::zero_page(direct(*frames));
    port::zero_page(direct(*frames + page_size));
    initialise(*descriptor, *frames, level);
    return descriptor;
}

Result<TableDescriptor*> adopt_table(PhysAddr frame, Level level) {
    TableDescriptor* descriptor = TRY(take_descriptor());
    initialise(*descriptor, frame, level);
    const auto* slots = static_cast<const Slot*>(direct(frame));
    for (unsigned index = 0; index < table_entries; ++index)
        descriptor->count(index, Entry::absent(), slots[index].load());
    descriptor->idle = descriptor->live == 0;
    return descriptor;
}

void free_table(TableDescriptor* table) {
    const PhysAddr frame = table->frame;
    frame_record(frame).table = nullptr;
    give_descriptor(table);
    free_frame(frame);
}

void free_root(TableDescriptor* root) {
    if (!port::mirrored_roots()) return free_table(root);
    const PhysAddr frame = root->frame;
    frame_record(frame).table = nullptr;
    give_descriptor(root);
    free_frames(frame, 1);
}

} // namespace vm
