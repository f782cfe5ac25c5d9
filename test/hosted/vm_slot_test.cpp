// SPDX-License-Identifier: MIT
// Slot: one entry in memory, which the processor writes to as well. What it notes of a page's use
// is never lost to a change of what the entry says about that page.
#include "shim/check.hpp"
#include "vm/table.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace {

using namespace vm;
using shim::faults_of;
using shim::Machine;
using shim::Operation;
using shim::range_of;
using shim::Space;

constexpr VirtAddr page{1ULL << 30};
constexpr PhysAddr frame{0x5000};

Entry leaf(Access access) { return Entry::leaf(frame, access, 1, {}); }

/// The slot of a page table that maps the address.
const Slot& slot_of(const AddressSpace& space, VirtAddr address) {
    TableRef table = table_at(space.root(), space.levels(), VirtAddr{0});
    while (table.level > 1) {
        const unsigned index = table.index_of(address);
        table = table.below(table.slots[index].load(), index);
    }
    return table.slots[table.index_of(address)];
}

// CPU 1, which writes to the page right before CPU 0's access numbered `write_at` to its slot.
Machine* machine_now = nullptr;
const Slot* watched = nullptr;
std::uint64_t access_now = 0;
std::uint64_t write_at = 0;
bool wrote = false;

bool write_on_other_cpu() {
    const auto outcome = machine_now->mmu().access(1, {page.value, Operation::write, true});
    return std::holds_alternative<std::uint64_t>(outcome);
}

void write_between(const volatile void* address, std::size_t, Step) {
    if (address == watched && access_now++ == write_at) wrote = write_on_other_cpu();
}

/// Runs `body`; whether the write went through.
template <typename Body>
bool written_during(std::uint64_t access, Body&& body) {
    access_now = 0;
    write_at = access;
    wrote = false;
    watcher = write_between;
    body();
    watcher = nullptr;
    return wrote;
}

} // namespace

TEST_CASE("a slot is replaced only where it holds what is expected") {
    Slot slot;
    slot.store(leaf(Access::read()));
    Entry expected = leaf(Access::read_write());
    CHECK(!slot.compare_exchange(expected, Entry::absent()));
    CHECK(expected == leaf(Access::read()));
    CHECK(slot.load() == leaf(Access::read()));
    CHECK(slot.compare_exchange(expected, leaf(Access::read_write())));
    CHECK(slot.load() == leaf(Access::read_write()));
}

TEST_CASE("narrow takes the processor's right to write, widen gives it") {
    Slot slot;
    const Entry before = leaf(Access::read_write());
    slot.store(before);
    CHECK(slot.narrow() == before);
    CHECK(!slot.load().hardware_writable());
    CHECK(slot.load().access() == Access::read_write());
    slot.widen();
    CHECK(slot.load() == before);
}

TEST_CASE("what is said anew about a page keeps its use") {
    Machine machine;
    Space space(machine);
    REQUIRE(space->map({.address = page, .pages = {2}, .placement = Placement::fixed}).ok());
    REQUIRE(machine.write_word(*space, page, 1) == Resolution::resolved);
    REQUIRE(machine.read_word(*space, page + page_size) == 0);
    const auto used = [&](VirtAddr at) {
        const Entry entry = slot_of(*space, at).load();
        return std::pair{entry.accessed(), entry.dirty()};
    };
    CHECK(used(page) == std::pair{true, true});
    CHECK(used(page + page_size) == std::pair{true, false});
    for (const Access access : {Access::read(), Access::read_execute(), Access::read_write()}) {
        REQUIRE(space->protect(range_of(page.value, 2 * page_size), access).ok());
        CHECK(used(page) == std::pair{true, true});
        CHECK(used(page + page_size) == std::pair{true, false});
    }
    CHECK(faults_of(machine, *space) == "");
}

TEST_CASE("whoever looks during protect sees the old rights or the new ones") {
    static std::vector<std::uint64_t> seen;
    for (const std::uint64_t pages : {1U, 3U}) {
        Machine machine;
        Space space(machine);
        REQUIRE(
            space->map({.address = page, .pages = {pages}, .placement = Placement::fixed}).ok());
        REQUIRE(space->populate(range_of(page.value, pages * page_size)).ok());
        watched = &slot_of(*space, page);
        const Entry before = watched->load();
        seen.clear();
        watcher = [](const volatile void*, std::size_t, Step) {
            // The word itself: a load by Slot would be watched as well.
            std::uint64_t word = 0;
            std::memcpy(&word, watched, sizeof word);
            if (seen.empty() || seen.back() != word) seen.push_back(word);
        };
        const bool done =
            space->protect(range_of(page.value, pages * page_size), Access::read_execute()).ok();
        watcher = nullptr;
        REQUIRE(done);
        CHECK(seen == std::vector{before.raw(), watched->load().raw()});
        CHECK(watched->load().access() == Access::read_execute());
        CHECK(faults_of(machine, *space) == "");
    }
}

TEST_CASE("a write between any two looks of protect at the slot leaves its mark") {
    std::uint64_t access = 0;
    for (;; ++access) {
        CAPTURE(access);
        Machine machine;
        machine_now = &machine;
        Space space(machine);
        REQUIRE(space->map({.address = page, .pages = {1}, .placement = Placement::fixed}).ok());
        REQUIRE(space->populate(range_of(page.value, page_size)).ok());
        watched = &slot_of(*space, page);
        REQUIRE(!watched->load().dirty());
        shim::set_cpu(1);
        CHECK(machine.read_word(*space, page) == 0); // CPU 1 runs the space
        shim::set_cpu(0);
        bool done = false;
        const bool written = written_during(access, [&] {
            done = space->protect(range_of(page.value, page_size), Access::read()).ok();
        });
        REQUIRE(done);
        const Entry after = watched->load();
        CHECK(!after.hardware_writable());
        CHECK(after.dirty() == written);
        CHECK(!write_on_other_cpu());
        if (access_now <= access) break; // there were no more
        CHECK(written);
    }
    CHECK(access > 1); // the change, and a look before it
}
