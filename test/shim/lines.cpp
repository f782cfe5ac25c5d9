// SPDX-License-Identifier: MIT
// Lines by user: told by vm::watcher and vm::lock_watcher.
#include "shim/lines.hpp"

#include "shim/arena.hpp"
#include "shim/machine.hpp"
#include "vm/lock.hpp"

#include <cstdio>
#include <optional>

namespace shim {

LineModel* LineModel::current = nullptr;

LineModel::LineModel() {
    if (current != nullptr) throw ModelError("two line models at once");
    current = this;
    vm::watcher = [](const volatile void* address, std::size_t, vm::Step step) {
        current->note_access(reinterpret_cast<std::uintptr_t>(address), step != vm::Step::read);
    };
    vm::lock_watcher = [](const volatile void* lock) {
        current->note_lock(reinterpret_cast<std::uintptr_t>(lock));
    };
}

LineModel::~LineModel() {
    vm::watcher = nullptr;
    vm::lock_watcher = nullptr;
    current = nullptr;
}

LineModel::Counts& LineModel::Counts::operator+=(const Counts& other) {
    lines_read += other.lines_read;
    lines_written += other.lines_written;
    entry_writes += other.entry_writes;
    locks += other.locks;
    flushes += other.flushes;
    flushed_pages += other.flushed_pages;
    interrupts += other.interrupts;
    return *this;
}

void LineModel::begin_operation() {
    touched_.clear();
    counts_ = {};
    counting_ = true;
}

LineModel::Counts LineModel::end_operation() {
    counting_ = false;
    for (const auto& [line, written] : touched_)
        ++(written ? counts_.lines_written : counts_.lines_read);
    return counts_;
}

namespace {

/// What physical memory a host address is, if any.
std::optional<PhysAddr> physical(std::uint64_t address) {
    if (address < direct_map_base || address - direct_map_base >= physical_limit) return {};
    return PhysAddr{address - direct_map_base};
}

/// Whether an address is an entry of a paging structure.
bool is_entry(std::uint64_t address) {
    const auto place = physical(address);
    if (!place) return false;
    if (place->value / page_size == Machine::current().kernel_root().value / page_size) return true;
    return vm::is_managed(*place) && vm::frame_record(*place).kind == vm::FrameKind::table;
}

/// Names a line by what stands there.
std::string describe(std::uint64_t line) {
    const std::uint64_t address = line * line_bytes;
    char text[96];
    const auto place = physical(address);
    const auto first = reinterpret_cast<std::uintptr_t>(&vm::frame_record(PhysAddr{0}));
    const auto end = reinterpret_cast<std::uintptr_t>(&vm::frame_record(PhysAddr{physical_limit}));
    if (place) {
        vm::FrameKind kind = vm::FrameKind::reserved;
        if (vm::is_managed(*place)) kind = vm::frame_record(*place).kind;
        std::snprintf(text, sizeof text, "memory %#lx of kind %u", place->value,
                      static_cast<unsigned>(kind));
    } else if (address >= first && address < end) {
        std::snprintf(text, sizeof text, "record of frame %#lx",
                      (address - first) / sizeof(vm::Frame));
    } else {
        std::snprintf(text, sizeof text, "kernel data at %#lx", address);
    }
    return text;
}

} // namespace

void LineModel::note_access(std::uint64_t address, bool writes) {
    if (!counting_) return;
    const PausedLines paused;
    const std::uint64_t line = address / line_bytes;
    touched_[line] |= writes;
    Users& users = users_[line];
    (writes ? users.writers : users.readers).insert(vm::port::cpu());
    if (writes && is_entry(address)) ++counts_.entry_writes;
}

void LineModel::note_lock(std::uint64_t address) {
    if (!counting_) return;
    ++counts_.locks;
    users_[address / line_bytes].lockers.insert(vm::port::cpu());
}

void LineModel::note_flush(const vm::port::FlushRequest& request) {
    ++counts_.flushes;
    counts_.flushed_pages += request.range.pages().value;
    request.space->translations().running.for_each([&](unsigned cpu) {
        if (cpu != vm::port::cpu()) ++counts_.interrupts;
    });
}

LineModel::Common LineModel::common() const {
    Common common;
    for (const auto& [line, users] : users_) {
        std::set<unsigned> all = users.readers;
        all.insert(users.writers.begin(), users.writers.end());
        if (users.writers.size() > 1)
            common.written.push_back(describe(line));
        else if (users.writers.size() == 1 && all.size() > 1)
            common.disturbed.push_back(describe(line));
        if (users.lockers.size() > 1) common.locks.push_back(describe(line));
    }
    return common;
}

PausedLines::PausedLines() {
    if (LineModel::current != nullptr)
        was_counting_ = std::exchange(LineModel::current->counting_, false);
}

PausedLines::~PausedLines() {
    if (LineModel::current != nullptr) LineModel::current->counting_ = was_counting_;
}

void count_flush(const vm::port::FlushRequest& request) {
    if (LineModel::current == nullptr || !LineModel::current->counting_) return;
    const PausedLines paused; // the set of CPUs is read by the port anyhow
    LineModel::current->note_flush(request);
}

} // namespace shim
