// SPDX-License-Identifier: MIT
// Threads: creation, the right to answer a call, what is given back at the end.
#include "proc/thread.hpp"

#include "proc/process.hpp"
#include "proc/scheduler.hpp"
#include "vm/heap.hpp"

namespace proc {

namespace {

/// What a thread costs beside its stack: its record and its vector state.
constexpr PageCount thread_pages{1 + vm::kernel_stack_bytes / page_size};

} // namespace

Thread::Thread() : Object(ObjectKind::thread), space_(&vm::kernel_space()) {}

Thread::~Thread() { free_machine_state(); }

void Thread::refuse_call() {
    Thread* caller = std::exchange(to_answer, nullptr);
    if (caller == nullptr) return;
    if (caller->reply_expected.exchange(false)) wake(*caller, Error::peer_closed);
    caller->release();
}

Result<Ref<Thread>> Thread::make(Process& process, unsigned priority) {
    Charge charge = TRY(Charge::make(process.space().account(), thread_pages));
    Ref<Thread> thread = Ref<Thread>::adopt(*TRY(vm::heap_new<Thread>()));
    thread->process_ = Ref<Process>(process);
    thread->space_ = &process.space();
    thread->name = static_cast<std::uint32_t>(process.id());
    thread->charge_ = std::move(charge);
    thread->priority = static_cast<std::uint8_t>(priority);
    thread->affinity.assign(port::current_thread().affinity);
    thread->cpu = vm::port::cpu();
    thread->stack_ = TRY(vm::allocate_kernel_stack());
    thread->machine.vector_state = TRY(vm::heap_allocate(port::vector_state_bytes()));
    thread->machine.stack_top = thread->stack_.end.value;
    thread->machine.thread = thread.get();
    return thread;
}

Result<Ref<Thread>> Thread::create(Process& process, const port::UserStart& start,
                                   unsigned priority) {
    Ref<Thread> thread = TRY(make(process, priority));
    port::prepare_user_thread(thread->machine, start);
    return thread;
}

Result<Ref<Thread>> Thread::fork(Process& process) {
    const Thread& self = port::current_thread();
    Ref<Thread> thread = TRY(make(process, self.priority));
    thread->upcalls = self.upcalls;
    thread->arena = self.arena;
    port::prepare_forked_thread(thread->machine, self.machine);
    return thread;
}

Result<Thread*> Thread::create_idle() {
    Thread* idle = TRY(vm::heap_new<Thread>());
    idle->machine.thread = idle;
    return idle;
}

Result<void> Thread::launch() {
    TRY(process_->add_thread(*this));
    retain(); // its own reference, given back by the reaper
    make_ready(*this);
    return {};
}

void Thread::free_machine_state() {
    if (!stack_.empty()) vm::free_kernel_stack(std::exchange(stack_, VirtRange{}));
    if (machine.vector_state != nullptr)
        vm::heap_free(std::exchange(machine.vector_state, nullptr), port::vector_state_bytes());
}

Ref<Reply> Reply::open() {
    revive();
    return Ref<Reply>::adopt(*this);
}

void Reply::end() {
    Thread& caller = caller_; // it may call again, and reopen this, as soon as it is awake
    if (caller.reply_expected.exchange(false)) wake(caller, Error::peer_closed);
    caller.release();
}

} // namespace proc
