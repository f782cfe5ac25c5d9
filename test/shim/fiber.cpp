// SPDX-License-Identifier: MIT
// Fibers by ucontext, announced to AddressSanitizer where it watches.
#include "shim/fiber.hpp"

#include "shim/walker.hpp"

#include <utility>

#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace shim {

namespace {

constexpr std::size_t stack_bytes = 256 * 1024;

Fiber* current = nullptr;
ucontext_t test_context;
void* test_fake_stack = nullptr;
const void* test_stack = nullptr;
std::size_t test_stack_bytes = 0;
std::exception_ptr reason_to_end;

void announce([[maybe_unused]] void** save, [[maybe_unused]] const void* bottom,
              [[maybe_unused]] std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(save, bottom, bytes);
#endif
}

void announce_arrival([[maybe_unused]] void* saved, [[maybe_unused]] const void** from_stack,
                      [[maybe_unused]] std::size_t* from_bytes) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(saved, from_stack, from_bytes);
#endif
}

} // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
    void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || getcontext(&context_) != 0) throw ModelError("no stack for a fiber");
    stack_ = static_cast<std::byte*>(stack);
    context_.uc_stack.ss_sp = stack_;
    context_.uc_stack.ss_size = stack_bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, start, 0);
}

Fiber::~Fiber() {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(stack_, stack_bytes);
#endif
    munmap(stack_, stack_bytes);
}

Fiber* Fiber::running() { return current; }

void Fiber::leave_for(Fiber* to) {
    Fiber* from = current;
    current = to;
    announce(from != nullptr ? &from->fake_stack_ : &test_fake_stack, to->stack_, stack_bytes);
    swapcontext(from != nullptr ? &from->context_ : &test_context, &to->context_);
    arrived();
}

/// Runs when somebody came back to what called leave_for.
void Fiber::arrived() {
    announce_arrival(current != nullptr ? current->fake_stack_ : test_fake_stack, nullptr, nullptr);
}

void Fiber::resume() {
    if (current != this) leave_for(this);
}

void Fiber::start() {
    const void* from_stack = nullptr;
    std::size_t from_bytes = 0;
    announce_arrival(nullptr, &from_stack, &from_bytes);
    if (test_stack == nullptr) {
        test_stack = from_stack;
        test_stack_bytes = from_bytes;
    }
    std::exception_ptr thrown;
    try {
        current->body_();
    } catch (...) {
        thrown = std::current_exception();
    }
    finish(std::move(thrown));
}

void Fiber::finish(std::exception_ptr reason) {
    reason_to_end = std::move(reason);
    current = nullptr;
    announce(nullptr, test_stack, test_stack_bytes);
    setcontext(&test_context);
    std::terminate();
}

void Fiber::run(std::function<void()> body) {
    if (current != nullptr) throw ModelError("Fiber::run on a fiber");
    Fiber first(std::move(body));
    test_stack = nullptr;
    leave_for(&first);
    if (std::exception_ptr reason = std::exchange(reason_to_end, nullptr))
        std::rethrow_exception(reason);
}

} // namespace shim
