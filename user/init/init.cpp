// SPDX-License-Identifier: MIT
// init: the first process. Serves the process directory and keeps a shell running, or runs the line
// that it was given as a word and powers off.
#include "user/init/keeper.hpp"
#include "user/init/process_table.hpp"
#include "user/init/server.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/print.hpp"
#include "user/lib/program.hpp"
#include "user/lib/thread.hpp"

namespace {

/// Everything that the second thread needs.
struct Machine {
    init::ProcessTable processes;
    abi::Handle power = abi::initial_handle(abi::init_power);
    std::string_view line;
};

void keep(void* context) {
    auto& machine = *static_cast<Machine*>(context);
    if (machine.line.empty()) init::keep_shell(machine.processes);
    init::run_line(machine.processes, machine.line, machine.power);
}

} // namespace

int user::main(Arguments arguments) {
    handles = {.console = abi::initial_handle(abi::init_console),
               .archive = abi::initial_handle(abi::init_archive),
               .directory = abi::no_handle};
    const auto endpoint = endpoint_create();
    if (!endpoint) die("cannot make the directory's endpoint");
    const auto clients_end = handle_duplicate(*endpoint, abi::right_send | abi::right_duplicate);
    if (!clients_end) die("cannot make the directory's client handle");
    handles.directory = *clients_end;

    Machine machine;
    if (arguments.size() > 1) machine.line = arguments[1];
    const auto keeper = Thread::start(keep, &machine);
    if (!keeper) die("cannot start a thread");
    init::Server(machine.processes, *endpoint, machine.power).serve();
}
