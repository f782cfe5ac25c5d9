// SPDX-License-Identifier: MIT
// The modelled machine: how it is put together, and how modelled instructions access memory.
#include "shim/machine.hpp"

#include "shim/stepped.hpp"
#include "vm/clock_page.hpp"
#include "vm/commit.hpp"
#include "vm/lock.hpp"
#include "vm/reclaim.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

namespace shim {

namespace {

Machine* machine = nullptr;

/// Memory outside all zones: the kernel's root, and what tests reserve.
constexpr PhysRange reserved_memory{PhysAddr{0xa0000000}, PhysAddr{0xa0100000}};
/// More faults than that for one access mean that it never ends.
constexpr unsigned fault_limit = 8;

std::vector<PhysRange> all_memory(const MachineOptions& options) {
    std::vector<PhysRange> memory = options.zones;
    memory.push_back(reserved_memory);
    return memory;
}

std::uint64_t* word_at(std::uint64_t physical) {
    if (!Arena::the().contains(physical, 8)) throw ModelError("a walk left physical memory");
    auto* const word = static_cast<std::uint64_t*>(Arena::the().host(PhysAddr{physical}));
    if (stepped != nullptr) stepped->walks(word);
    return word;
}

/// What the memory at a frame is used for: of a block only the first frame's record knows.
vm::FrameKind kind_of(PhysAddr frame) {
    const vm::Frame& record = vm::frame_record(frame);
    if (record.kind != vm::FrameKind::free) return record.kind;
    const vm::Frame& block =
        vm::frame_record(PhysAddr{align_down(frame.value, page_size << vm::block_order)});
    if (block.order == vm::block_order) return block.kind;
    return vm::FrameKind::free;
}

/// What the error code tells: of a fetch only some processors say that it was one.
vm::FaultAccess fault_access(std::uint32_t code) {
    return {.write = (code & fault_code::write) != 0, .execute = (code & fault_code::fetch) != 0};
}

} // namespace

std::vector<PhysRange> MachineOptions::default_zones() {
    return {{PhysAddr{0}, PhysAddr{0x9f000}},
            {PhysAddr{0x100000}, PhysAddr{0x1100000}},
            {PhysAddr{0x1400000}, PhysAddr{0x17fb000}},
            {PhysAddr{0x100000000}, PhysAddr{0x102000000}}};
}

std::vector<PhysRange> MachineOptions::small_zones() {
    return {{PhysAddr{0x100000}, PhysAddr{0x500000}},
            {PhysAddr{0x100000000}, PhysAddr{0x100200000}}};
}

Machine::Machine(const MachineOptions& options)
    : options_(options), mmu_(options.processor, word_at, options.cpus) {
    if (machine != nullptr) throw ModelError("two machines at once");
    Arena& arena = Arena::the();
    arena.set_memory(all_memory(options_));
    arena.unmirror_all();
    allow_allocations();
    for (unsigned cpu = options_.cpus; cpu-- != 0;) {
        set_cpu(cpu);
        vm::held_ranks() = {};
    }
    vm::port::direct_map = direct_map_base;
    vm::Entry::expect_no_execute(options_.processor.no_execute);
    std::uint64_t top = reserved_memory.end.value;
    for (const PhysRange& zone : options_.zones) top = std::max(top, zone.end.value);
    const std::uint64_t count = top >> page_bits;
    auto* records = static_cast<vm::Frame*>(arena.records(count * sizeof(vm::Frame)));
    vm::initialise_frames(options_.zones, records, count);
    vm::set_commit_limit(options_.commit_limit.value != 0 ? options_.commit_limit
                                                          : vm::commit_capacity());
    machine = this;
    reserve_next_ = reserved_memory.start;
    kernel_root_ = reserve(2 * page_size); // the first thing reserved: aligned to both
    vm::set_clock_frame(reserve(page_size));
    std::destroy_at(&vm::kernel_space());
    std::construct_at(&vm::kernel_space());
    if (!vm::kernel_space()
             .adopt_kernel(kernel_root_, options_.processor.levels, kernel_range)
             .ok()) {
        machine = nullptr;
        throw ModelError("no kernel space");
    }
    for (unsigned cpu = 0; cpu < options_.cpus; ++cpu) mmu_.load_root(cpu, kernel_root_.value);
    mmu_.on_drop = [this](std::uint64_t frame, std::uint64_t bytes, bool table) {
        check_dropped(frame, bytes, table);
    };
    mmu_.on_two_sizes = [this](std::uint64_t page, const char* how) {
        char text[96];
        std::snprintf(text, sizeof text, "page size at %llx changed %s",
                      static_cast<unsigned long long>(page), how);
        note(text);
    };
}

Machine::~Machine() {
    machine = nullptr;
    vm::Entry::expect_no_execute(true);
    allow_allocations();
    Arena::the().unmirror_all();
}

Machine& Machine::current() {
    if (machine == nullptr) throw ModelError("no machine");
    return *machine;
}

PhysAddr Machine::reserve(std::uint64_t bytes) {
    const PhysAddr start = reserve_next_;
    reserve_next_ = start + align_up(bytes, page_size);
    if (reserved_memory.end < reserve_next_) throw ModelError("too much memory reserved");
    std::memset(Arena::the().host(start), 0, bytes);
    return start;
}

Machine::Touch Machine::touch(vm::AddressSpace& space, VirtAddr address, Operation operation) {
    const unsigned cpu = vm::port::cpu();
    mmu_.load_root(cpu, space.user_root().value);
    for (unsigned faults = 0; faults <= fault_limit; ++faults) {
        const Outcome outcome = mmu_.access(cpu, {address.value, operation, true});
        if (const auto* physical = std::get_if<std::uint64_t>(&outcome))
            return {vm::Resolution::resolved, *physical, faults};
        if (std::holds_alternative<GeneralProtection>(outcome))
            return {vm::Resolution::hole, 0, faults};
        const std::uint32_t code = std::get<PageFault>(outcome).code;
        if ((code & fault_code::reserved_bit) != 0)
            throw ModelError("a reserved bit is set in an entry");
        const vm::Resolution resolution = space.resolve(address, fault_access(code));
        if (resolution != vm::Resolution::resolved && !vm::reclaim(space, resolution))
            return {resolution, 0, faults + 1};
    }
    throw ModelError("an access faults for ever");
}

vm::Resolution Machine::read(vm::AddressSpace& space, VirtAddr address, std::span<std::byte> to) {
    while (!to.empty()) {
        const std::size_t piece =
            std::min<std::size_t>(to.size(), page_size - address.value % page_size);
        const Touch touched = touch(space, address, Operation::read);
        if (touched.resolution != vm::Resolution::resolved) return touched.resolution;
        if (!Arena::the().contains(touched.physical, piece)) throw ModelError("a frame of nothing");
        std::memcpy(to.data(), Arena::the().host(PhysAddr{touched.physical}), piece);
        to = to.subspan(piece);
        address = address + piece;
    }
    return vm::Resolution::resolved;
}

vm::Resolution Machine::write(vm::AddressSpace& space, VirtAddr address,
                              std::span<const std::byte> from) {
    while (!from.empty()) {
        const std::size_t piece =
            std::min<std::size_t>(from.size(), page_size - address.value % page_size);
        const Touch touched = touch(space, address, Operation::write);
        if (touched.resolution != vm::Resolution::resolved) return touched.resolution;
        if (!Arena::the().contains(touched.physical, piece)) throw ModelError("a frame of nothing");
        std::memcpy(Arena::the().host(PhysAddr{touched.physical}), from.data(), piece);
        from = from.subspan(piece);
        address = address + piece;
    }
    return vm::Resolution::resolved;
}

vm::Resolution Machine::execute(vm::AddressSpace& space, VirtAddr address) {
    return touch(space, address, Operation::execute).resolution;
}

vm::Resolution Machine::write_word(vm::AddressSpace& space, VirtAddr address, std::uint64_t value) {
    return write(space, address, std::as_bytes(std::span(&value, 1)));
}

std::uint64_t Machine::read_word(vm::AddressSpace& space, VirtAddr address) {
    std::uint64_t value = 0;
    if (read(space, address, std::as_writable_bytes(std::span(&value, 1))) !=
        vm::Resolution::resolved)
        throw ModelError("a word that can't be read");
    return value;
}

void Machine::leave(const vm::AddressSpace& space) {
    for (unsigned cpu = 0; cpu < options_.cpus; ++cpu) {
        const std::uint64_t root = mmu_.root(cpu);
        if (root == space.root().value || root == space.user_root().value)
            mmu_.load_root(cpu, kernel_root_.value);
    }
}

/// A frame that a CPU could use until this flush must not have been given back before it.
void Machine::check_dropped(std::uint64_t frame, std::uint64_t bytes, bool table) {
    for (std::uint64_t page = frame; page < frame + bytes; page += page_size) {
        if (vm::is_managed(PhysAddr{page}) && kind_of(PhysAddr{page}) == vm::FrameKind::free)
            note(std::string(table ? "table" : "frame") + " freed before its flush");
    }
}

void Machine::note(std::string violation) {
    const std::lock_guard guard(violations_mutex_);
    violations_.push_back(std::move(violation));
}

std::string Machine::complaints(const vm::AddressSpace& space) {
    std::string text;
    for (const std::string& violation : violations_) text += violation + "\n";
    violations_.clear();
    for (const std::string& line : mmu_.stale(space.root().value)) text += line + "\n";
    if (options_.mirrored_roots)
        for (const std::string& line : mmu_.stale(space.user_root().value)) text += line + "\n";
    mmu_.for_each_cached([&](std::uint64_t frame, std::uint64_t, bool table) {
        if (!vm::is_managed(PhysAddr{frame})) return;
        const vm::FrameKind kind = kind_of(PhysAddr{frame});
        if (kind == vm::FrameKind::free ||
            (table && kind != vm::FrameKind::table && kind != vm::FrameKind::cache_table))
            text += std::string(table ? "a cached table" : "a cached frame") +
                    " is used for something else\n";
    });
    return text;
}

Space::Space(Machine& owner, vm::Quota* quota) : machine_(owner) {
    space_.account().count_against(quota);
    if (!space_.create().ok()) throw ModelError("no address space");
}

Space::Space(Machine& owner, vm::AddressSpace& original) : machine_(owner) {
    if (!original.fork_into(space_).ok()) throw ModelError("no copy of an address space");
}

Space::~Space() {
    machine_.leave(space_);
    try {
        space_.destroy();
    } catch (const std::exception& error) {
        // A test that failed already may leave a space that can't be ended.
        if (std::uncaught_exceptions() == 0) {
            std::fprintf(stderr, "destroy: %s\n", error.what());
            std::terminate();
        }
    }
}

} // namespace shim
