// SPDX-License-Identifier: MIT
// The prompt.
#include "user/sh/prompt.hpp"

#include "lib/line_editor.hpp"
#include "lib/strings.hpp"
#include "user/lib/print.hpp"

#include <array>

namespace sh {

namespace {

constexpr std::string_view prompt = "tabula$ ";
/// Serial consoles don't tell their width; the framebuffer has at least as many.
constexpr unsigned columns = 80;

std::array<char, 1024> line_storage;
std::array<char, 1024> draft_storage;
std::array<char, 8192> history_storage;

void list_history(void* context) {
    const auto& history = static_cast<lib::LineEditor*>(context)->history();
    for (std::size_t age = history.count(); age-- > 0;) {
        user::print("{:4} {}\n", history.count() - age, history.at(age));
    }
}

/// Reads one line into the editor; gives how it ended.
lib::LineEditor::Event read_line(lib::LineEditor& editor, Input& input) {
    auto write = [](std::string_view text) { user::output().write(text); };
    const lib::Sink output(write);
    editor.begin(prompt, output);
    user::flush();
    for (;;) {
        char c = 0;
        if (input.read({&c, 1}).empty()) continue;
        const auto event = editor.push(c, output);
        user::flush();
        if (event != lib::LineEditor::Event::nothing) return event;
    }
}

} // namespace

int run_prompt(Shell& shell, Input& input) {
    using Event = lib::LineEditor::Event;
    static lib::LineEditor editor({line_storage, draft_storage, history_storage}, columns);
    shell.set_history(list_history, &editor);
    while (!shell.exit_status()) {
        shell.report_ended_jobs();
        const Event event = read_line(editor, input);
        if (event == Event::end) user::print("`exit` ends the shell, `poweroff` the machine.\n");
        if (event != Event::line) continue;
        (void)input.take_interrupt();
        if (!lib::trim_blanks(editor.line()).empty()) (void)shell.run_line(editor.line());
    }
    return *shell.exit_status();
}

} // namespace sh
