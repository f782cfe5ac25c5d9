// SPDX-License-Identifier: MIT
// Processes: creation, end, and what others may see of them.
#include "proc/process.hpp"

#include "proc/scheduler.hpp"
#include "vm/heap.hpp"
#include "vm/validate.hpp"

#include <algorithm>

namespace proc {

namespace {

constinit std::atomic<std::uint64_t> next_id{1};

/// All processes that have a record.
constinit vm::Guarded<List<Process, &Process::directory_hook>, vm::Rank::directory> directory;

/// What a process costs beside its memory, threads and handles: its record.
constexpr PageCount process_pages{1};

void copy_name(std::string_view from, std::span<char, abi::name_limit> to) {
    std::size_t length = 0;
    for (const char c : from.substr(0, to.size() - 1)) {
        if (c == '\0') break;
        to[length++] = c > ' ' && c <= '~' ? c : '?';
    }
    to[length] = '\0';
}

} // namespace

Result<Ref<Process>> Process::make(std::string_view name, Limits limits) {
    Ref<Process> process = Ref<Process>::adopt(*TRY(vm::heap_new<Process>()));
    process->limits_ = std::move(limits);
    process->space_.account().count_against(process->limits_.memory.get());
    process->handles_.set_limit(process->limits_.handles);
    process->charge_ = TRY(Charge::make(process->space_.account(), process_pages));
    copy_name(name, process->name_);
    return process;
}

void Process::open() {
    state_.lock()->space_open = true;
    id_ = next_id.fetch_add(1, std::memory_order_relaxed);
    directory.lock()->push_back(*this);
}

Result<Ref<Process>> Process::create(std::string_view name, Limits limits) {
    Ref<Process> process = TRY(make(name, std::move(limits)));
    TRY(process->space_.create());
    process->open();
    return process;
}

Result<Ref<Process>> Process::fork() {
    Ref<Process> child = TRY(make(name_, limits_));
    TRY(space_.fork_into(child->space_));
    child->open();
    TRY(handles_.copy_into(child->handles_));
    return child;
}

Process::~Process() {
    {
        auto list = directory.lock();
        if (list->contains(*this)) list->remove(*this);
    }
    if (state_.lock()->space_open) { // never ran
        handles_.close_all();
        vm::require_valid(space_);
        space_.destroy();
    }
    charge_ = {};
    space_.account().settle();
}

Result<void> Process::add_thread(Thread& thread) {
    auto state = state_.lock();
    if (state->ending) return Error::interrupted;
    if (state->thread_count == thread_limit) return Error::limit_reached;
    ++state->thread_count;
    thread.arena = state->arenas.take(thread.arena);
    state->threads.push_back(thread);
    return {};
}

void Process::end(std::uint32_t status) {
    bool never_ran = false;
    {
        auto state = state_.lock();
        if (state->ending) return;
        state->ending = true;
        state->status = status;
        // The mark first, then the wake: a thread that blocks meanwhile sees one or the other.
        killed_.store(true);
        for (Thread* thread = state->threads.front(); thread != nullptr;
             thread = state->threads.after(*thread))
            wake(*thread, Error::interrupted);
        never_ran = state->thread_count == 0;
        if (never_ran) state->space_open = false;
    }
    if (never_ran) finish();
    // Those that run in user mode now come out to see the mark; others see it on their way there.
    const unsigned self = vm::port::cpu();
    space_.translations().running.for_each([&](unsigned cpu) {
        if (cpu != self) port::send_reschedule(cpu);
    });
    if (port::current_thread().process() == this) port::request_user_return_work();
}

void Process::reap_thread(Thread& thread, std::uint32_t code) {
    bool last = false;
    {
        auto state = state_.lock();
        state->threads.remove(thread);
        state->arenas.give(thread.arena);
        state->ended_time += time_of(thread);
        state->ended_faults += thread.faults;
        last = --state->thread_count == 0;
        if (last && !state->ending) {
            state->ending = true;
            state->status = code;
        }
        thread.reaped = true;
        while (Thread* joiner = thread.joiners.pop_front()) wake(*joiner);
        if (last) state->space_open = false; // nobody looks at the map from here on
    }
    if (last) finish();
}

void Process::finish() {
    handles_.close_all();
    space_.wait_until_let_go(); // who gives it memory
    vm::require_valid(space_);
    space_.destroy();
    auto state = state_.lock();
    state->exited = true;
    while (Thread* waiter = state->waiters.pop_front()) wake(*waiter);
}

void Process::validate_space() {
    auto state = state_.lock();
    if (state->space_open) vm::require_valid(space_);
}

Result<std::uint32_t> Process::wait() {
    Thread& self = port::current_thread();
    {
        auto state = state_.lock();
        if (state->exited) return state->status;
        state->waiters.push_back(self);
        prepare_to_block(self);
    }
    const Result<void> woken = block(self);
    auto state = state_.lock();
    if (state->waiters.contains(self)) state->waiters.remove(self);
    if (!woken) return woken.error();
    return state->status;
}

Result<std::uint32_t> Process::join(Thread& thread) {
    Thread& self = port::current_thread();
    {
        auto state = state_.lock();
        if (thread.reaped) return thread.code;
        thread.joiners.push_back(self);
        prepare_to_block(self);
    }
    const Result<void> woken = block(self);
    auto state = state_.lock();
    if (thread.joiners.contains(self)) thread.joiners.remove(self);
    if (!woken) return woken.error();
    return thread.code;
}

std::size_t Process::query(VirtAddr from, std::span<abi::Run> runs) {
    auto state = state_.lock();
    if (!state->space_open) return 0;
    const vm::Visit visit(space_.translations());
    return space_.query(from, runs);
}

std::optional<abi::Run> Process::nearest(VirtAddr address, abi::Direction direction) {
    auto state = state_.lock();
    if (!state->space_open) return std::nullopt;
    const vm::Visit visit(space_.translations());
    return space_.nearest(address, direction);
}

Result<VirtAddr> Process::receive(Process& from, const vm::TransferRequest& request, bool moves) {
    {
        auto state = state_.lock();
        if (!state->space_open) return Error::not_found;
        space_.keep();
    }
    auto received = moves ? from.space_.move_to(space_, request)
                          : from.space_.share_with(space_, request, from.limits_.memory);
    space_.let_go();
    return received;
}

abi::ProcessInfo Process::info() {
    abi::ProcessInfo info{};
    info.id = id_;
    std::ranges::copy(name_, info.name);
    auto state = state_.lock();
    info.threads = state->thread_count;
    info.committed = space_.account().charged().value;
    info.memory_limit = limits_.memory.limit().value;
    info.handle_limit = limits_.handles;
    if (state->space_open) {
        const vm::Visit visit(space_.translations());
        const vm::AddressSpace::Counts counts = space_.counts();
        info.anonymous = counts.anonymous;
        info.tables = counts.tables;
    }
    info.time = state->ended_time;
    info.faults = state->ended_faults;
    for (Thread* thread = state->threads.front(); thread != nullptr;
         thread = state->threads.after(*thread)) {
        info.time += time_of(*thread);
        info.faults += thread->faults;
    }
    info.exited = state->exited ? 1 : 0;
    info.status = static_cast<std::int32_t>(state->status);
    return info;
}

vm::AddressSpace::Counts Process::map_counts() {
    auto state = state_.lock();
    if (!state->space_open) return {};
    const vm::Visit visit(space_.translations());
    return space_.counts();
}

void initialise_processes() {
    *directory.lock() = {};
    next_id.store(1);
}

vm::AddressSpace::Counts map_counts() {
    vm::AddressSpace::Counts sum = vm::kernel_space().counts();
    auto list = directory.lock();
    for (Process* process = list->front(); process != nullptr; process = list->after(*process))
        sum += process->map_counts();
    return sum;
}

void validate_spaces() {
    port::alone([] {
        vm::require_valid(vm::kernel_space());
        auto list = directory.lock();
        for (Process* process = list->front(); process != nullptr; process = list->after(*process))
            process->validate_space();
    });
}

} // namespace proc
