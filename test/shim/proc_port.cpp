// SPDX-License-Identifier: MIT
// proc::port for the modelled machine.
#include "proc/port.hpp"

#include "proc/thread.hpp"
#include "shim/fiber.hpp"
#include "shim/proc_machine.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace shim {

namespace {

struct State {
    ProcMachine visible;
    std::map<std::uint64_t, UserCode> user_code;
    std::vector<std::unique_ptr<Fiber>> fibers;
    std::vector<std::unique_ptr<proc::port::CallRegisters>> call_registers;
    proc::Thread* thread = nullptr;
    const vm::AddressSpace* space = nullptr;
    bool user_return_work = false;
    bool input_pending = false;
};

/// The kernel took a frame: thrown through what stands in for the handler.
struct Resumed {
    abi::UpcallFrame registers;
};

State& state() {
    static State the;
    return the;
}

constexpr std::uint64_t no_alarm = ~0ULL;
/// A fault that is resolved again and again is never resolved.
constexpr unsigned fault_limit = 16;

void before_return_to_user() {
    while (std::exchange(state().user_return_work, false)) proc::before_user_return();
}

/// Interrupts that are due. True if there was one.
bool take_interrupts() {
    bool any = false;
    if (std::exchange(state().input_pending, false)) {
        proc::handle_console_input();
        any = true;
    }
    ProcMachine& machine = state().visible;
    if (machine.alarm <= machine.now) {
        machine.alarm = no_alarm;
        proc::handle_timer();
        any = true;
    }
    return any;
}

/// The registers of user code at an instruction.
abi::UpcallFrame registers_at(std::uint64_t instruction) {
    abi::UpcallFrame registers = state().visible.registers;
    registers.rip = instruction;
    registers.rflags = 0x202;
    return registers;
}

/// What becomes of an instruction that faulted.
enum class After : std::uint8_t { again, skipped };

/// The kernel has handled a user fault: where it began a handler, that runs here as user code, and
/// says by the frame that it returns with where the thread goes on.
After after_fault(const abi::UpcallFrame& before, const abi::UpcallFrame& now) {
    if (now.rip == before.rip) return After::again;
    const auto code = state().user_code.find(now.rip);
    if (code == state().user_code.end()) {
        user_execute(VirtAddr{now.rip}); // as the processor would
        throw ModelError("a handler without user code");
    }
    try {
        code->second({.entry = VirtAddr{now.rip}, .stack = VirtAddr{now.rsp}, .arguments = {}});
        system_call(abi::SystemCall::upcall_return, now.rsp);
    } catch (const Resumed& resumed) {
        before_return_to_user();
        state().visible.registers = resumed.registers;
        return resumed.registers.rip == before.rip ? After::again : After::skipped;
    }
    throw ModelError("a handler's way back was refused");
}

/// The physical address for an access in the running space; faults go to the kernel. None when
/// the kernel's user-memory routine has to take its fix-up.
std::optional<std::uint64_t> translate(VirtAddr address, Operation operation, bool from_user) {
    if (state().space == nullptr) throw ModelError("user memory without an address space");
    Mmu& mmu = Machine::current().mmu();
    for (unsigned faults = 0; faults < fault_limit; ++faults) {
        const unsigned cpu = vm::port::cpu();
        mmu.load_root(cpu, (from_user ? state().space->user_root() : state().space->root()).value);
        const Outcome outcome = mmu.access(
            cpu, {address.value, operation, from_user, /* alignment_check: */ !from_user});
        if (const auto* physical = std::get_if<std::uint64_t>(&outcome)) return *physical;
        const auto* page = std::get_if<PageFault>(&outcome);
        const std::uint64_t instruction = operation == Operation::execute ? address.value : 0;
        const abi::UpcallFrame before = registers_at(instruction);
        abi::UpcallFrame registers = before;
        const proc::Fault fault{.kind = page != nullptr ? proc::FaultKind::page
                                                        : proc::FaultKind::privileged,
                                .from_user = from_user,
                                .has_address = page != nullptr,
                                .access = {.write = operation == Operation::write,
                                           .execute = operation == Operation::execute},
                                .address = page != nullptr ? address : VirtAddr{},
                                .instruction = VirtAddr{instruction},
                                .registers = from_user ? &registers : nullptr};
        if (!proc::handle_fault(fault)) {
            if (from_user) throw ModelError("a user fault was given a fix-up");
            return std::nullopt;
        }
        if (!from_user) continue;
        before_return_to_user();
        if (after_fault(before, registers) == After::skipped) return std::nullopt;
    }
    throw ModelError("an access faults for ever");
}

/// Page by page: f(host memory, offset, bytes). False where an access failed.
template <typename Function>
bool for_each_piece(VirtAddr address, std::size_t bytes, Operation operation, bool from_user,
                    Function function) {
    for (std::size_t done = 0; done < bytes;) {
        const VirtAddr at = address + done;
        const std::size_t piece =
            std::min<std::size_t>(bytes - done, page_size - at.value % page_size);
        const auto physical = translate(at, operation, from_user);
        if (!physical) return false;
        function(static_cast<std::byte*>(Arena::the().host(PhysAddr{*physical})), done, piece);
        done += piece;
    }
    return true;
}

Fiber& add_fiber(std::function<void()> body) {
    return *state().fibers.emplace_back(std::make_unique<Fiber>(std::move(body)));
}

void set_fiber(proc::port::ThreadState& thread, Fiber& fiber) {
    thread.stack_pointer = reinterpret_cast<std::uint64_t>(&fiber);
}

void run_user_code(const proc::port::UserStart& start) {
    proc::thread_started();
    before_return_to_user();
    const auto code = state().user_code.find(start.entry.value);
    if (code == state().user_code.end()) throw ModelError("a thread without user code");
    code->second(start);
    system_call(abi::SystemCall::thread_exit, 0);
    throw ModelError("a thread went on after its exit");
}

void run_forked_code(const std::function<void()>& code) {
    proc::thread_started();
    before_return_to_user();
    code();
    system_call(abi::SystemCall::thread_exit, 0);
    throw ModelError("a thread went on after its exit");
}

} // namespace

ProcMachine& proc_machine() { return state().visible; }

void reset_proc_machine() { state() = State{}; }

void set_user_code(VirtAddr entry, UserCode code) {
    state().user_code[entry.value] = std::move(code);
}

void load_archive(std::span<const std::byte> bytes) {
    const PhysAddr start = Machine::current().reserve(bytes.size());
    std::memcpy(Arena::the().host(start), bytes.data(), bytes.size());
    state().visible.archive = {start, bytes.size()};
}

void type(std::string_view text) {
    state().visible.typed += text;
    state().input_pending = true;
}

abi::Power run_machine(std::function<void()> body) {
    try {
        Fiber::run(std::move(body));
    } catch (const PowerOff& off) {
        return off.action;
    }
    throw ModelError("the kernel returned");
}

std::int64_t system_call(abi::SystemCall number, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                         std::uint64_t d, std::uint64_t e, std::uint64_t f) {
    const auto index = static_cast<std::uint64_t>(number);
    *proc::port::current_thread().machine.call = {
        .r10 = d, .r9 = f, .r8 = e, .rdx = c, .rsi = b, .rdi = a};
    const std::int64_t result = index < abi::system_call_count
                                    ? proc::system_call_table[index](a, b, c, d, e, f).value
                                    : -static_cast<std::int64_t>(Error::bad_system_call);
    before_return_to_user();
    return result;
}

std::int64_t message_call(abi::SystemCall number, abi::Handle endpoint, std::uint64_t message,
                          std::array<std::uint64_t, abi::register_words>& words) {
    const std::int64_t heard =
        system_call(number, endpoint, message, words[0], words[1], words[2], words[3]);
    const proc::port::CallRegisters& registers = *proc::port::current_thread().machine.call;
    words = {registers.rdx, registers.r10, registers.r8, registers.r9};
    return heard;
}

void user_read(VirtAddr address, std::span<std::byte> to) {
    for_each_piece(address, to.size(), Operation::read, true,
                   [&](const std::byte* memory, std::size_t offset, std::size_t bytes) {
                       std::memcpy(to.data() + offset, memory, bytes);
                   });
}

void user_write(VirtAddr address, std::span<const std::byte> from) {
    for_each_piece(address, from.size(), Operation::write, true,
                   [&](std::byte* memory, std::size_t offset, std::size_t bytes) {
                       std::memcpy(memory, from.data() + offset, bytes);
                   });
}

void user_execute(VirtAddr address) { translate(address, Operation::execute, true); }

void user_fault(const proc::Fault& fault) {
    const abi::UpcallFrame before = registers_at(fault.instruction.value);
    abi::UpcallFrame registers = before;
    proc::Fault raised = fault;
    raised.registers = &registers;
    if (!proc::handle_fault(raised)) throw ModelError("a user fault was given a fix-up");
    before_return_to_user();
    static_cast<void>(after_fault(before, registers));
}

void user_compute(std::uint64_t nanoseconds) {
    const std::uint64_t end = state().visible.now + nanoseconds;
    while (state().visible.now < end) {
        state().visible.now = std::clamp(state().visible.alarm, state().visible.now + 1, end);
        if (take_interrupts()) before_return_to_user();
    }
}

} // namespace shim

// Host functions keep their registers themselves.
extern "C" proc::Answer proc::fork_entry(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                         std::uint64_t, std::uint64_t) {
    return fork_from_entry();
}

namespace proc::port {

using shim::state;

std::size_t vector_state_bytes() { return 512; }

void prepare_user_thread(ThreadState& thread, const UserStart& start) {
    if (thread.vector_state != nullptr) std::memset(thread.vector_state, 0, vector_state_bytes());
    thread.call = state().call_registers.emplace_back(std::make_unique<CallRegisters>()).get();
    shim::set_fiber(thread, shim::add_fiber([start] { shim::run_user_code(start); }));
}

void prepare_forked_thread(ThreadState& thread, const ThreadState& running) {
    std::memcpy(thread.vector_state, running.vector_state, vector_state_bytes());
    thread.fs_base = running.fs_base;
    thread.gs_base = running.gs_base;
    thread.runtime = running.runtime;
    thread.call = state().call_registers.emplace_back(std::make_unique<CallRegisters>()).get();
    *thread.call = *running.call;
    shim::set_fiber(
        thread, shim::add_fiber([code = state().visible.forked] { shim::run_forked_code(code); }));
}

void prepare_kernel_thread(ThreadState& thread, void (*function)(void*), void* argument) {
    shim::set_fiber(thread, shim::add_fiber([function, argument] { function(argument); }));
}

void switch_thread(ThreadState& from, ThreadState& to, const vm::AddressSpace& space) {
    shim::Fiber* running = shim::Fiber::running();
    if (running == nullptr) throw shim::ModelError("switch_thread outside run_machine");
    if (to.stack_pointer == 0) throw shim::ModelError("a switch to a thread never prepared");
    ++state().visible.switches;
    shim::set_fiber(from, *running);
    from.ticks_run += state().visible.now - from.running_since;
    to.running_since = state().visible.now;
    state().thread = to.thread;
    state().space = &space;
    shim::Machine::current().mmu().load_root(vm::port::cpu(), space.root().value);
    reinterpret_cast<shim::Fiber*>(to.stack_pointer)->resume();
}

Thread& current_thread() {
    if (state().thread == nullptr) throw shim::ModelError("no current thread");
    return *state().thread;
}
void become_thread(Thread& thread, ThreadState& of) {
    state().thread = &thread;
    of.running_since = state().visible.now;
}
void request_user_return_work() { state().user_return_work = true; }

void alone(void (*work)()) { work(); }
void set_runtime(ThreadState& thread, VirtRange runtime) { thread.runtime = runtime; }
void resume_user(abi::UpcallFrame& registers) { throw shim::Resumed{registers}; }

void send_reschedule(unsigned cpu) { state().visible.rescheduled.push_back(cpu); }

void wait_for_interrupt() {
    shim::ProcMachine& machine = state().visible;
    for (;;) {
        if (shim::take_interrupts()) return;
        if (machine.alarm != shim::no_alarm)
            machine.now = std::max(machine.now, machine.alarm);
        else if (!machine.idle())
            throw shim::Deadlock("every thread waits, and nothing can come");
    }
}

std::uint64_t now() { return state().visible.now; }
std::uint64_t time_run(const ThreadState& of, bool running, unsigned) {
    return of.ticks_run + (running ? now() - of.running_since : 0);
}
void set_alarm(std::uint64_t nanoseconds) { state().visible.alarm = nanoseconds; }

Result<void> copy_from_user(void* to, VirtAddr from, std::size_t bytes) {
    const bool all =
        shim::for_each_piece(from, bytes, shim::Operation::read, false,
                             [&](const std::byte* memory, std::size_t offset, std::size_t piece) {
                                 std::memcpy(static_cast<std::byte*>(to) + offset, memory, piece);
                             });
    if (!all) return Error::bad_address;
    return {};
}

Result<void> copy_to_user(VirtAddr to, const void* from, std::size_t bytes) {
    const bool all = shim::for_each_piece(
        to, bytes, shim::Operation::write, false,
        [&](std::byte* memory, std::size_t offset, std::size_t piece) {
            std::memcpy(memory, static_cast<const std::byte*>(from) + offset, piece);
        });
    if (!all) return Error::bad_address;
    return {};
}

void console_write(std::span<const char> text) {
    state().visible.console.append(text.data(), text.size());
}

std::size_t console_read(std::span<char> buffer) {
    std::string& typed = state().visible.typed;
    const std::size_t bytes = std::min(buffer.size(), typed.size());
    std::copy_n(typed.begin(), bytes, buffer.begin());
    typed.erase(0, bytes);
    return bytes;
}

Result<void> power(abi::Power action) { throw shim::PowerOff{action}; }
std::span<const char> boot_words() { return state().visible.boot_words; }
std::span<const char> run_line() { return state().visible.run_line; }
Archive boot_archive() { return state().visible.archive; }

} // namespace proc::port
