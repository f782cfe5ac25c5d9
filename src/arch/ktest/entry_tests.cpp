// SPDX-License-Identifier: MIT
// The processor's own view of entries: what Tabula writes into the available bits must not matter.
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "arch/layout.hpp"
#include "vm/entry.hpp"
#include "vm/frames.hpp"
#include "vm/space.hpp"

#include <algorithm>
#include <array>

namespace arch::ktest {
namespace {

using vm::Entry;
using vm::Level;

/// A paging structure made by hand, with one table a level, outside of the map. Its upper half is
/// the kernel's.
class HandMade {
public:
    static constexpr Level top = 4;
    static constexpr VirtAddr address{5ULL << 39};

    HandMade() = default;
    HandMade(const HandMade&) = delete;
    HandMade& operator=(const HandMade&) = delete;
    ~HandMade() {
        for (const PhysAddr frame : frames_)
            if (frame.value != 0) vm::free_frame(frame);
    }

    bool create() {
        for (PhysAddr& frame : frames_) {
            const auto allocated = vm::allocate_zeroed_frame(vm::FrameKind::kernel);
            if (!allocated.ok()) return false;
            frame = *allocated;
        }
        const auto* kernel = static_cast<const Entry*>(layout::direct(vm::kernel_space().root()));
        std::copy_n(kernel + vm::table_entries / 2, vm::table_entries / 2,
                    table(top) + vm::table_entries / 2);
        return true;
    }

    /// Puts `entry` where it decides about `address`, in the table at `level`.
    void put(Level level, Entry entry) {
        for (Level above = top; above > level; --above)
            slot(above) = Entry::table(frames_[above - 2], false);
        slot(level) = entry;
    }
    /// The same for a page that is read through a graft which says what `promise` does.
    void put_grafted(Entry page, Entry promise, bool is_private) {
        put(1, page);
        slot(vm::graft_level) = Entry::graft(frames_[0], promise, is_private);
    }
    /// Probes `address` in this structure.
    template <typename Probe>
    Fault in_use(Probe probe) {
        const std::uint64_t before = read_cr3();
        write_cr3(table_frame(top).value);
        const Fault fault = probe(address);
        write_cr3(before);
        return fault;
    }
    PhysAddr page() const { return frames_[top]; }

private:
    // frames_[level - 1] is the table at a level; one frame more is the page.
    PhysAddr table_frame(Level level) const { return frames_[level - 1]; }
    Entry* table(Level level) const {
        return static_cast<Entry*>(layout::direct(table_frame(level)));
    }
    Entry& slot(Level level) { return table(level)[vm::level_index(address, level)]; }

    std::array<PhysAddr, top + 1> frames_{};
};

/// Bits 9 to 11 and 52 to 60.
constexpr std::uint64_t available_bits = (0x1ffULL << 52) | (7ULL << 9);

constexpr vm::Intent full_intent{
    .ceiling = vm::Ceiling::all(), .origin = vm::Origin::callback, .noreserve = true};

constexpr vm::LeafOptions all_options{
    .intent = full_intent, .shared = true, .cow = true, .user = false, .soft_dirty = true};

constexpr Entry full_leaf(PhysAddr frame, Level level,
                          vm::Access access = vm::Access::read_write()) {
    return Entry::leaf(frame, access, level, all_options);
}
constexpr Entry full_code(PhysAddr frame, Level level) {
    return full_leaf(frame, level, vm::Access::read_execute());
}
static_assert(((full_leaf(PhysAddr{0x1000}, 1).raw() | full_code(PhysAddr{0x1000}, 1).raw()) &
               available_bits) == available_bits);

KERNEL_TEST(available_bits_of_pages, "available bits of present pages are ignored") {
    HandMade tables;
    EXPECT(tables.create(), "out of memory");
    tables.put(1, Entry::leaf(tables.page(), vm::Access::read_write(), 1, {.user = false}));
    EXPECT(!tables.in_use(probe_write).happened, "a plain page can't be written");
    tables.put(1, full_leaf(tables.page(), 1));
    EXPECT(!tables.in_use(probe_read).happened, "with all of them set it can't be read");
    tables.put(1, full_code(tables.page(), 1));
    EXPECT(!tables.in_use(probe_read).happened, "with those of code set it can't be read");
    tables.put(1, full_leaf(tables.page(), 1));
    // Copy on write leaves the write bit clear: the refusal must say no more than that.
    EXPECT(tables.in_use(probe_write).is_page_fault(page_fault_present | page_fault_write),
           "a write meets something else than write protection");
    return Verdict::passed();
}

KERNEL_TEST(available_bits_of_large_pages, "available bits of large pages are ignored") {
    HandMade tables;
    EXPECT(tables.create(), "out of memory");
    // Any memory will do to read from: the lowest is always mapped as RAM.
    tables.put(2, full_leaf(PhysAddr{0}, 2));
    EXPECT(!tables.in_use(probe_read).happened, "a page of 2 MiB can't be read");
    if (!cpu_features().gbpages) return Verdict::passed();
    tables.put(3, full_leaf(PhysAddr{0}, 3));
    EXPECT(!tables.in_use(probe_read).happened, "a page of 1 GiB can't be read");
    return Verdict::passed();
}

KERNEL_TEST(available_bits_of_tables, "available bits of tables are ignored, and grafts narrow") {
    HandMade tables;
    EXPECT(tables.create(), "out of memory");
    const Entry leaf = Entry::leaf(tables.page(), vm::Access::read_write(), 1, {.user = false});
    constexpr vm::Id id{vm::id_limit - 1};
    for (const bool is_private : {false, true}) {
        for (const vm::Access access : {vm::Access::read(), vm::Access::read_execute()}) {
            tables.put_grafted(leaf, Entry::file(id, access, full_intent), is_private);
            EXPECT(!tables.in_use(probe_read).happened, "a page below can't be read");
            EXPECT(tables.in_use(probe_write).is_page_fault(page_fault_present | page_fault_write),
                   "a page below can be written");
        }
    }
    return Verdict::passed();
}

KERNEL_TEST(absent_entries, "every not-present state faults as not present, at every level") {
    HandMade tables;
    EXPECT(tables.create(), "out of memory");
    constexpr vm::Id id{vm::id_limit - 1};
    const std::array states{
        Entry::absent(),
        Entry::lazy(vm::Access::read_write(), full_intent),
        Entry::shared(id, vm::Access::read_write(), full_intent),
        Entry::file(id, vm::Access::read_execute(), full_intent),
        Entry::callback(id, vm::Access::read_write(), full_intent),
        Entry::parked(tables.page(), full_intent, true, true),
        Entry::uncached(),
    };
    for (Level level = 1; level <= HandMade::top; ++level) {
        for (const Entry& entry : states) {
            tables.put(level, entry);
            EXPECT(tables.in_use(probe_read).is_page_fault(0), "a read did not");
            EXPECT(tables.in_use(probe_write).is_page_fault(page_fault_write), "a write did not");
        }
    }
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
