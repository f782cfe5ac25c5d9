// SPDX-License-Identifier: MIT
// Making and freeing tables. Descriptors come 32 to a frame, summaries 2.
#include "vm/table.hpp"

#include "vm/frame_slab.hpp"

#include <algorithm>

namespace vm {

namespace {

constinit FrameSlab<TableDescriptor, Rank::slab> descriptors;
constinit FrameSlab<Summary, Rank::slab> summaries;

/// Stands in for a summary that there was no memory for. Set by `reset_tables`, then never written.
constinit Summary everything;

Summary* make_summary() {
    const auto summary = summaries.take();
    return summary ? *summary : &everything;
}

void give_descriptor(TableDescriptor* table) {
    if (can_lower(table->summary)) summaries.give(table->summary);
    descriptors.give(table);
}

void initialise(TableDescriptor& descriptor, PhysAddr frame, Level level) {
    descriptor.frame = frame;
    set_level(descriptor, level);
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

void reset_tables() {
    descriptors.reset();
    summaries.reset();
    everything.promise_all();
}

bool can_lower(const Summary* summary) { return summary != nullptr && summary != &everything; }

void set_level(TableDescriptor& table, Level level) {
    table.level = static_cast<std::uint8_t>(level);
    if (level > 1 && table.summary == nullptr) table.summary = make_summary();
}

Result<TableDescriptor*> make_table(Level level) {
    TableDescriptor* descriptor = TRY(descriptors.take());
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
    TableDescriptor* descriptor = TRY(descriptors.take());
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
    TableDescriptor* descriptor = TRY(descriptors.take());
    initialise(*descriptor, frame, level);
    const auto* slots = static_cast<const Slot*>(direct(frame));
    for (unsigned index = 0; index < table_entries; ++index)
        descriptor->count(index, Entry::absent(), slots[index].load());
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
