// SPDX-License-Identifier: MIT
// The kernel's way into user space: bin/init out of the boot archive, then threads for ever.
#include "lib/elf_plan.hpp"
#include "lib/ustar.hpp"
#include "proc/process.hpp"
#include "proc/processor.hpp"
#include "proc/resources.hpp"
#include "proc/scheduler.hpp"
#include "proc/spawn.hpp"
#include "vm/heap.hpp"

#include <array>
#include <string_view>

namespace proc {

namespace {

/// Above what programs usually have, so that init gets to restart what runs wild.
constexpr unsigned init_priority = 24;
constexpr std::string_view init_path = "bin/init";

/// Ends the machine with what went wrong, and why.
template <typename T>
T must(Result<T> result, const char* what) {
    vm::require(result.ok(), what);
    return std::move(*result);
}

/// The handles that init gets, in the order of abi::InitHandle.
std::array<Grant, abi::init_handle_count> init_handles(const port::Archive& archive) {
    const auto object = must(MemoryObject::of_boot(archive.start, archive.bytes),
                             "init: no memory for the archive's tables");
    std::array<Grant, abi::init_handle_count> handles;
    handles[abi::init_console] = Grant(console(), abi::right_all);
    handles[abi::init_power] = Grant(power_switch(), abi::right_all);
    handles[abi::init_archive] = Grant(*object, abi::right_inspect | abi::right_duplicate);
    return handles;
}

/// Processes exist: other CPUs may join in.
constinit std::atomic<bool> machine_open{false};

void start_init() {
    const port::Archive archive = port::boot_archive();
    vm::require(archive.bytes != 0, "init: there is no boot archive");
    vm::require(archive.start.page_aligned(), "init: the boot archive is not page-aligned");
    const lib::Bytes bytes{static_cast<const std::byte*>(vm::direct(archive.start)), archive.bytes};
    const auto file = lib::ustar_find(bytes, init_path);
    if (!file && file.error() == Error::bad_format)
        vm::port::panic("init: the boot archive is damaged");
    vm::require(file.ok(), "init: the boot archive has no bin/init");

    const std::span<const char> line = port::run_line();
    const std::string_view words[] = {"init", {line.data(), line.size()}};
    lib::ProgramPlan* plan = must(vm::heap_new<lib::ProgramPlan>(), "init: no memory for its plan");
    const auto planned =
        lib::plan_program({.name = "init",
                           .file = file->content,
                           .arguments = std::span(words).first(line.empty() ? 1 : 2),
                           .priority = init_priority},
                          *plan);
    if (!planned && plan->reason != lib::ElfError::none) vm::port::panic(describe(plan->reason));
    vm::require(planned.ok(), "init: the run line is too long");

    auto handles = init_handles(archive);
    const auto started = spawn_from_kernel(plan->plan, handles);
    if (!started) vm::port::panic(describe(started.error()));
    vm::heap_delete(plan);
}

} // namespace

void run() {
    initialise_processes();
    reset_processors();
    console().initialise();
    vm::require(start_cpu().ok(), "no memory for the idle thread");
    start_init();
    machine_open.store(true, std::memory_order_release);
    run_idle();
}

void run_cpu() {
    while (!machine_open.load(std::memory_order_acquire)) vm::port::spin_wait();
    vm::require(start_cpu().ok(), "no memory for an idle thread");
    run_idle();
}

Identity running_process() {
    const Process* process = port::current_thread().process();
    return process != nullptr ? Identity{process->name(), process->id()} : Identity{"kernel", 0};
}

} // namespace proc
