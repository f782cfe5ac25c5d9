// SPDX-License-Identifier: MIT
// Making and freeing tables. Descriptors come 32 to a frame, summaries 2.
#include "vm/table.hpp"

#include "vm/charge.hpp"
#include "vm/frame_slab.hpp"

#include <algorithm>

namespace vm {

namespace {

constinit FrameSlab<TableDescriptor, Rank::slab> descriptors;
constinit FrameSlab<Summary, Rank::slab> summaries;

/// A descriptor, with a summary above level 1.
Result<TableDescriptor*> take_descriptor(Level level) {
    TableDescriptor* table = TRY(descriptors.take());
    if (level == 1) return table;
    const auto summary = summaries.take();
    if (!summary) {
        descriptors.give(table);
        return summary.error();
    }
    table->summary = *summary;
    return table;
}

void give_descriptor(TableDescriptor* table) {
    if (table->summary != nullptr) summaries.give(table->summary);
    descriptors.give(table);
}

void initialise(TableDescriptor& descriptor, PhysAddr frame, Level level) {
    descriptor.frame = frame;
    descriptor.level = static_cast<std::uint8_t>(level);
    descriptor.longest.reset(level_pages(level + 1));
    std::fill_n(descriptor.free, std::size(descriptor.free), ~0ULL);
    frame_record(frame).table = &descriptor;
}

} // namespace

bool TableDescriptor::all_became(Entry value, const Slot* slots) {
    if (differing != table_entries || slots[witness].load() != value || slots[0].load() != value ||
        slots[table_entries - 1].load() != value)
        return false;
    // That all are empty is counted.
    for (unsigned index = 0; index < table_entries && !value.empty(); ++index) {
        if (slots[index].load() == value) continue;
        witness = static_cast<std::uint16_t>(index);
        return false;
    }
    base = value;
    differing = 0;
    return true;
}

bool TableDescriptor::holds_block(const Slot* slots) {
    if (frames != table_entries) return false; // so none of them is shared
    const Entry first = slots[0].load();
    const PhysAddr start = private_frame(first, 1);
    if (first.is_cow() || start.value % level_size(block_level) != 0) return false;
    for (unsigned count = 0; count < table_entries; ++count) {
        const unsigned index = (witness + count) % table_entries;
        if (slots[index].load().goes_on_from(first, index)) continue;
        witness = static_cast<std::uint16_t>(index);
        return false;
    }
    return true;
}

void reset_tables() {
    descriptors.reset();
    summaries.reset();
}

Result<TableDescriptor*> make_table(Level level) {
    TableDescriptor* descriptor = TRY(take_descriptor(level));
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
    TableDescriptor* descriptor = TRY(take_descriptor(level));
    const auto frames = allocate_frames(FrameKind::table, 1);
    if (!frames) {
        give_descriptor(descriptor);
        return frames.error();
    }
    port::zero_pages(direct(*frames), 2);
    initialise(*descriptor, *frames, level);
    return descriptor;
}

Result<TableDescriptor*> adopt_table(PhysAddr frame, Level level) {
    TableDescriptor* descriptor = TRY(take_descriptor(level));
    initialise(*descriptor, frame, level);
    const auto* slots = static_cast<const Slot*>(direct(frame));
    for (unsigned index = 0; index < table_entries; ++index) {
        const Entry entry = slots[index].load();
        descriptor->count(index, Entry::absent(), entry);
        if (level == 1) descriptor->charge += static_cast<std::uint16_t>(charge_of(entry, 1));
    }
    descriptor->idle = descriptor->live == 0;
    if (level > 1) descriptor->summary->promise_all();
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
