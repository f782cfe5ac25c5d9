// SPDX-License-Identifier: MIT
// Threads: their first stack contents, and the switch from one to another.
#include "arch/apic/interprocessor.hpp"
#include "arch/console/screen.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/registers.hpp"
#include "arch/cpu/vector_state.hpp"
#include "arch/memory/translation.hpp"
#include "arch/time/clock.hpp"
#include "arch/trap/frame.hpp"
#include "arch/trap/interrupts.hpp"
#include "proc/port.hpp"

namespace arch {

extern "C" {
extern const char arch_user_thread_start[];
extern const char arch_kernel_thread_start[];
/// Called on a new user thread's stack.
void arch_thread_started();
}

void arch_thread_started() { proc::thread_started(); }

namespace {

constexpr std::uint64_t flags_user = 0x202; // IF, and the bit that is always one

/// Where system calls save CallRegisters: above these are RIP, RFLAGS, RSP and an unused word.
constexpr std::uint64_t call_registers_below_top = sizeof(proc::port::CallRegisters) + 4 * 8;
static_assert(offsetof(proc::port::CallRegisters, rdi) == 40, "trap/entry_macros.inc");

/// The kernel stack of a thread in `fork`, from where fork.S got to, up to its top.
struct ForkRegisters {
    std::uint64_t r15, r14, r13, r12, rbp, rbx;
    std::uint64_t return_address;
    proc::port::CallRegisters call;
    std::uint64_t rip, rflags, rsp, unused;
};
static_assert(sizeof(ForkRegisters) - offsetof(ForkRegisters, call) == call_registers_below_top);

/// Where a new thread begins: what switch_stack returns to, lowest address first.
struct UserThreadStart {
    std::uint64_t return_address;
};
struct KernelThreadStart {
    std::uint64_t return_address, function, argument;
};

/// From one kernel stack to another: the frame pointer and where to go on are kept on the stack;
/// all other registers are dead for the compiler, which keeps those that it still needs.
[[gnu::always_inline]] inline void switch_stack(std::uint64_t& old_stack, std::uint64_t new_stack) {
    std::uint64_t* old = &old_stack;
    asm volatile("pushq %%rbp\n\t"
                 "pushq $1f\n\t"
                 "movq %%rsp, (%0)\n\t"
                 "movq %1, %%rsp\n\t"
                 "ret\n"
                 "1:\n\t"
                 "popq %%rbp"
                 : "+D"(old), "+S"(new_stack)
                 :
                 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                   "memory", "cc");
}

/// Puts a fresh T at the top of what is below `top`, and gives its address.
template <typename T>
T* push(std::uint64_t& top) {
    top -= sizeof(T);
    auto* const object = reinterpret_cast<T*>(top);
    *object = T{};
    return object;
}

/// The first thing on a user thread's stack: registers zero, and user mode's segments. RSP and RIP
/// are the caller's to set.
TrapFrame* push_user_start(proc::port::ThreadState& state) {
    std::uint64_t top = state.stack_top;
    TrapFrame* const frame = push<TrapFrame>(top);
    frame->cs = SELECTOR_USER_CODE;
    frame->ss = SELECTOR_USER_DATA;
    push<UserThreadStart>(top)->return_address =
        reinterpret_cast<std::uint64_t>(arch_user_thread_start);
    state.stack_pointer = top;
    state.call =
        reinterpret_cast<proc::port::CallRegisters*>(state.stack_top - call_registers_below_top);
    return frame;
}

/// The user's FS and GS base. User code changes them itself where FSGSBASE is on (no interrupt can
/// come between the SWAPGS; those that can, NMI and #MC, put GS back as they found it).
void save_bases(proc::port::ThreadState& state) {
    asm volatile("rdfsbase %0" : "=r"(state.fs_base));
    asm volatile("swapgs\n\trdgsbase %0\n\tswapgs" : "=r"(state.gs_base));
}
void load_bases(const proc::port::ThreadState& state) {
    asm volatile("wrfsbase %0" : : "r"(state.fs_base));
    asm volatile("swapgs\n\twrgsbase %0\n\tswapgs" : : "r"(state.gs_base));
}
void exchange_bases(proc::port::ThreadState& from, const proc::port::ThreadState& to) {
    asm volatile("rdfsbase %0" : "=r"(from.fs_base));
    asm volatile("wrfsbase %0" : : "r"(to.fs_base));
    std::uint64_t old = 0;
    asm volatile("swapgs\n\trdgsbase %0\n\twrgsbase %1\n\tswapgs" : "=&r"(old) : "r"(to.gs_base));
    from.gs_base = old;
}
void load_bases_by_msr(const proc::port::ThreadState& state) {
    write_msr(Msr::fs_base, state.fs_base);
    write_msr(Msr::kernel_gs_base, state.gs_base);
}

/// Data selectors mean nothing in 64-bit mode but can be read back: no thread sees another's.
/// Loading one may clear its base, so bases come after.
void clear_selectors() {
    std::uint32_t ds = 0;
    std::uint32_t es = 0;
    std::uint32_t fs = 0;
    std::uint32_t gs = 0;
    asm volatile("movl %%ds, %0\n\tmovl %%es, %1\n\tmovl %%fs, %2\n\tmovl %%gs, %3"
                 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    if ((ds | es | fs | gs) == 0) [[likely]]
        return;
    asm volatile("movl %0, %%ds\n\tmovl %0, %%es\n\tmovl %0, %%fs\n\t"
                 "swapgs\n\tmovl %0, %%gs\n\tswapgs"
                 :
                 : "r"(0));
}

/// The way between two user threads whose bases need no MSR: nearly every switch.
void exchange_user_state(proc::port::ThreadState& from, const proc::port::ThreadState& to) {
    exchange_vector_state(from.vector_state, to.vector_state);
    clear_selectors();
    exchange_bases(from, to);
}
/// One of the two may be a kernel thread.
[[gnu::noinline]] void change_user_state(proc::port::ThreadState& from,
                                         const proc::port::ThreadState& to, bool fsgsbase) {
    if (from.vector_state != nullptr) {
        save_vector_state(from.vector_state);
        if (fsgsbase) save_bases(from);
    }
    if (to.vector_state == nullptr) return;
    load_vector_state(to.vector_state);
    clear_selectors();
    if (fsgsbase) {
        load_bases(to);
    } else {
        load_bases_by_msr(to);
    }
}

/// Entry code compares the return address, which lies behind the two bytes of a SYSCALL.
void load_runtime(CpuArea& area, const VirtRange& runtime) {
    if (runtime.empty()) [[likely]] {
        area.system_call_limit = abi::system_call_count;
        return;
    }
    constexpr std::uint64_t instruction_bytes = 2;
    area.system_call_limit = 0;
    area.runtime_first = runtime.start.value + instruction_bytes;
    area.runtime_count = runtime.bytes() - instruction_bytes + 1;
}

} // namespace
} // namespace arch

namespace proc::port {

using namespace arch;

void set_runtime(ThreadState& state, VirtRange runtime) {
    state.runtime = runtime;
    load_runtime(this_cpu(), runtime);
}

void prepare_user_thread(ThreadState& state, const UserStart& start) {
    TrapFrame* const frame = push_user_start(state);
    frame->rip = start.entry.value;
    frame->rsp = start.stack.value;
    frame->rdi = start.arguments[0];
    frame->rsi = start.arguments[1];
    frame->rflags = flags_user;
    state.fs_base = 0;
    state.gs_base = 0;
    reset_vector_state(state.vector_state);
}

void prepare_forked_thread(ThreadState& state, const ThreadState& running) {
    const auto& saved =
        *reinterpret_cast<const ForkRegisters*>(running.stack_top - sizeof(ForkRegisters));
    TrapFrame* const frame = push_user_start(state);
    frame->r15 = saved.r15;
    frame->r14 = saved.r14;
    frame->r13 = saved.r13;
    frame->r12 = saved.r12;
    frame->rbp = saved.rbp;
    frame->rbx = saved.rbx;
    frame->r10 = saved.call.r10;
    frame->r9 = saved.call.r9;
    frame->r8 = saved.call.r8;
    frame->rdx = saved.call.rdx;
    frame->rsi = saved.call.rsi;
    frame->rdi = saved.call.rdi;
    frame->rcx = frame->rip = saved.rip; // as SYSCALL left rcx and r11
    frame->r11 = frame->rflags = saved.rflags;
    frame->rsp = saved.rsp;
    state.runtime = running.runtime;
    if (this_cpu().fsgsbase) save_bases(state); // else nobody has any
    reset_vector_state(state.vector_state);     // XSAVEOPT leaves out what is as at the start
    save_vector_state(state.vector_state);
}

void prepare_kernel_thread(ThreadState& state, void (*function)(void*), void* argument) {
    std::uint64_t top = state.stack_top;
    *push<KernelThreadStart>(top) = {.return_address =
                                         reinterpret_cast<std::uint64_t>(arch_kernel_thread_start),
                                     .function = reinterpret_cast<std::uint64_t>(function),
                                     .argument = reinterpret_cast<std::uint64_t>(argument)};
    state.stack_pointer = top;
    state.vector_state = nullptr;
}

void switch_thread(ThreadState& from, ThreadState& to, const vm::AddressSpace& space) {
    CpuArea& area = this_cpu();
    const std::uint64_t now = read_tsc();
    from.ticks_run += now - from.running_since;
    to.running_since = now;
    area.thread = to.thread;
    run_space(area, space);
    const std::uint64_t top = to.stack_top;
    area.kernel_stack = top - 8;
    // Else traps arrive on the area's own stack, always the same.
    if (!area.guarded) [[likely]]
        area.task_state.rsp[0] = top;
    load_runtime(area, to.runtime);
    if (from.vector_state != nullptr && to.vector_state != nullptr && area.fsgsbase) [[likely]] {
        exchange_user_state(from, to);
    } else {
        change_user_state(from, to, area.fsgsbase);
    }
    switch_stack(from.stack_pointer, to.stack_pointer);
}

void become_thread(Thread& thread, ThreadState& state) {
    this_cpu().thread = &thread;
    state.running_since = read_tsc();
}

void resume_user(abi::UpcallFrame& registers) {
    registers.cs = SELECTOR_USER_CODE;
    registers.ss = SELECTOR_USER_DATA;
    // What lies below the frame, and above it, is lost with this.
    if (this_cpu().guarded)
        asm volatile("movq %0, %%rsp\n\tjmp guarded_return_to_user" : : "r"(&registers) : "memory");
    asm volatile("movq %0, %%rsp\n\tjmp trap_return_to_user" : : "r"(&registers) : "memory");
    __builtin_unreachable();
}

void send_reschedule(unsigned cpu) { send_interrupt(cpu, vector_reschedule); }

void wait_for_interrupt() {
    screen::refresh();
    pause_perturbation();
    halt_until_interrupt();
    start_perturbation();
}

} // namespace proc::port
