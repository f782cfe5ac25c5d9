// SPDX-License-Identifier: MIT
// Each CPU's area and interrupt stacks, and what the map and the scheduler ask of an area.
#include "arch/cpu/area.hpp"

#include "arch/cpu/entry_root.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu_features.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"
#include "vm/space.hpp"

#include <atomic>
#include <memory>

namespace arch {

extern "C" const char first_stack_end[];

namespace {

constexpr std::size_t interrupt_stack_bytes = 2 * page_size;
constexpr std::size_t nmi_levels = 2;

/// One level of an interrupt stack. Entry code finds the area just above where the processor
/// begins to push, so it need not trust GS.
struct alignas(page_size) Level {
    std::array<std::byte, interrupt_stack_bytes - 16> stack;
    CpuArea* area;
    std::uint64_t padding;
};
static_assert(sizeof(Level) == interrupt_stack_bytes);

} // namespace

/// The NMI's has two: should one NMI be let in while another is handled, it takes the lower.
struct InterruptStacks {
    Level double_fault, machine_check, debug;
    std::array<Level, nmi_levels> nmi;
};

namespace {

/// What a CPU other than the boot CPU gets, in one piece.
struct CpuMemory {
    InterruptStacks stacks;
    CpuArea area;
};

constinit CpuArea boot_area{};
constinit InterruptStacks boot_stacks{};
constinit std::atomic<unsigned> count{0};

/// The area gets its stacks, of which `kernel_stack_end` ends the one for system calls, and they
/// get its name.
void connect(CpuArea& area, InterruptStacks& stacks, std::uint64_t kernel_stack_end) {
    area.self = &area;
    area.kernel_stack = kernel_stack_end - 8;
    area.stacks = &stacks;
    stacks.double_fault.area = stacks.machine_check.area = stacks.debug.area = &area;
    for (Level& level : stacks.nmi) level.area = &area;
}

/// What an area holds of the processor that it belongs to.
void describe_cpu(CpuArea& area) {
    if (measures().isolation) area.entry.kernel_root = read_cr3();
    area.fsgsbase = cpu_features().fsgsbase;
    area.smap = cpu_features().smap;
    area.guarded = measures().guarded();
    area.plain_roots = !measures().isolation && !measures().pcid && !spaces_need_separation();
}

/// Calls visit(VirtRange, vm::Access) for what user mode's roots show of an area: of the interrupt
/// stacks the highest page of each level, which takes what the processor and entry code push.
template <typename Visit>
void for_each_entry_page(const CpuArea& area, Visit&& visit) {
    const auto page_at = [](const void* start) {
        const VirtAddr page{reinterpret_cast<std::uint64_t>(start)};
        return VirtRange{page, page + page_size};
    };
    visit(page_at(&area.descriptors), vm::Access::read());
    visit(page_at(&area.entry), vm::Access::read_write());
    const InterruptStacks& stacks = *area.stacks;
    for (const Level* level : {&stacks.double_fault, &stacks.machine_check, &stacks.debug,
                               &stacks.nmi[0], &stacks.nmi[1]})
        visit(page_at(&level->stack[page_size]), vm::Access::read_write());
}

VirtRange pages_of(const CpuMemory& memory) {
    const VirtAddr start{reinterpret_cast<std::uint64_t>(&memory)};
    return {start, start + align_up(sizeof(CpuMemory), page_size)};
}

/// Present and zero.
Result<CpuMemory*> allocate_memory() {
    vm::AddressSpace& space = vm::kernel_space();
    const VirtAddr start =
        TRY(space.map({.pages = {align_up(sizeof(CpuMemory), page_size) >> page_bits},
                       .alignment = page_size,
                       .ceiling = vm::Ceiling::of(vm::Access::read_write())}));
    auto* const memory = reinterpret_cast<CpuMemory*>(start.value);
    if (const auto done = space.populate(pages_of(*memory)); !done) {
        static_cast<void>(space.unmap(pages_of(*memory)));
        return done.error();
    }
    vm::port::kernel_mapped(pages_of(*memory));
    return std::construct_at(memory);
}

} // namespace

constinit std::array<CpuArea*, vm::port::cpu_limit> cpu_areas{};
unsigned cpu_count() { return count.load(std::memory_order_acquire); }

void add_cpu(CpuArea& area) {
    const unsigned number = cpu_count();
    vm::require(area.number == number && number < cpu_areas.size(), "CPU numbers have no holes");
    cpu_areas[number] = &area;
    count.store(number + 1, std::memory_order_release);
}

void initialise_boot_cpu() {
    // The boot stack is as large as any kernel stack, and has a guard as they have.
    connect(boot_area, boot_stacks, reinterpret_cast<std::uint64_t>(first_stack_end));
    describe_cpu(boot_area);
    load_descriptors(boot_area);
    add_cpu(boot_area);
}

Result<CpuArea*> make_cpu_area() {
    const VirtRange stack = TRY(vm::allocate_kernel_stack());
    const Result<CpuMemory*> memory = allocate_memory();
    if (!memory) {
        vm::free_kernel_stack(stack);
        return memory.error();
    }
    CpuArea& area = (*memory)->area;
    connect(area, (*memory)->stacks, stack.end.value);
    area.number = cpu_count();
    area.place = vm::CpuSet::place_of(area.number);
    if (const auto done = expose_cpu(area); !done) {
        free_cpu_area(area);
        return done.error();
    }
    return &area;
}

Result<void> expose_cpu(const CpuArea& area) {
    Result<void> done;
    for_each_entry_page(area, [&](VirtRange page, vm::Access access) {
        if (done.ok()) done = expose(page, access);
    });
    return done;
}

void free_cpu_area(CpuArea& area) {
    for_each_entry_page(area, [](VirtRange page, vm::Access) { hide(page); });
    const VirtAddr stack_end{area.kernel_stack + 8};
    vm::free_kernel_stack({stack_end - vm::kernel_stack_bytes, stack_end});
    const VirtAddr address{reinterpret_cast<std::uint64_t>(&area) - offsetof(CpuMemory, area)};
    const auto done =
        vm::kernel_space().unmap(pages_of(*reinterpret_cast<const CpuMemory*>(address.value)));
    vm::require(done.ok(), "unmapping a CPU's area needs nothing");
}

void take_cpu_area(CpuArea& area) {
    describe_cpu(area);
    enable_measures();
    load_descriptors(area);
}

VirtRange interrupt_stack(const CpuArea& area, InterruptStack stack) {
    const auto range = [](Level& top) {
        return VirtRange{{reinterpret_cast<std::uint64_t>(&top)},
                         {reinterpret_cast<std::uint64_t>(&top.area)}};
    };
    InterruptStacks& stacks = *area.stacks;
    switch (stack) {
    case InterruptStack::none: break;
    case InterruptStack::double_fault: return range(stacks.double_fault);
    case InterruptStack::machine_check: return range(stacks.machine_check);
    case InterruptStack::debug: return range(stacks.debug);
    case InterruptStack::nmi: return range(stacks.nmi.back());
    }
    return {};
}

std::uint64_t interrupt_stack_below(std::uint64_t top) { return top - interrupt_stack_bytes; }

} // namespace arch

namespace vm {

namespace port {
unsigned cpu() {
    unsigned number = 0;
    asm("movl %%gs:%c1, %0" : "=r"(number) : "i"(CPU_NUMBER));
    return number;
}
} // namespace port

} // namespace vm

namespace proc::port {

Thread& current_thread() {
    Thread* thread = nullptr;
    asm volatile("movq %%gs:%c1, %0" : "=r"(thread) : "i"(CPU_THREAD));
    return *thread;
}
void request_user_return_work() {
    asm volatile("movb $1, %%gs:%c0" : : "i"(CPU_USER_RETURN_WORK) : "memory");
}

} // namespace proc::port
