// SPDX-License-Identifier: MIT
// Line editing: changes to the text, and the one row of the screen that shows it.
#include "lib/line_editor.hpp"

#include <algorithm>

namespace lib {

void LineEditor::insert(char32_t c, Sink output) {
    const Utf8Bytes bytes = encode_utf8(c);
    if (storage_.line.size() - size_ < bytes.count) {
        output("\a"); // full
        return;
    }
    const bool at_end = cursor_ == size_;
    const auto tail = storage_.line.subspan(cursor_);
    std::copy_backward(tail.begin(), tail.begin() + static_cast<std::ptrdiff_t>(size_ - cursor_),
                       tail.begin() + static_cast<std::ptrdiff_t>(size_ - cursor_ + bytes.count));
    std::ranges::copy(bytes.view(), tail.begin());
    size_ += bytes.count;
    cursor_ += bytes.count;
    // The usual case, and the only one that a dumb terminal sees: the character alone.
    if (at_end && cells(window_, size_) <= text_columns()) {
        output(bytes.view());
    } else {
        repaint(output);
    }
}

void LineEditor::erase(std::size_t first, std::size_t end, Sink output) {
    if (first == end) return;
    const bool all_shown = window_ == 0 && cells(0, size_) <= text_columns();
    const bool last_one = cursor_ == size_ && end == size_ && first == before(size_);
    const unsigned width = cells(first, end);
    const auto kept = storage_.line.first(size_).subspan(end);
    std::ranges::copy(kept, storage_.line.subspan(first).begin());
    size_ -= end - first;
    cursor_ = first;
    if (all_shown && last_one && width == 1) {
        output("\b \b");
    } else {
        repaint(output);
    }
}

void LineEditor::erase_before(Sink output) { erase(before(cursor_), cursor_, output); }

void LineEditor::move_to(std::size_t position, Sink output) {
    if (position == cursor_) return;
    cursor_ = position;
    repaint(output);
}

void LineEditor::repaint(Sink output) {
    place_window();
    std::size_t end = window_;
    while (end < size_ && cells(window_, after(end)) <= text_columns()) end = after(end);
    output("\r");
    if (prompt_shown()) output(prompt_);
    output(text(window_, end));
    output("\x1b[K");
    const unsigned back = cells(cursor_, end);
    if (back != 0) format(output, "\x1b[{}D", back);
}

/// Moves the window as little as needed for the cursor to be in it, and back when there is room.
void LineEditor::place_window() {
    window_ = std::min(window_, cursor_);
    while (window_ < cursor_ && cells(window_, cursor_) > text_columns()) window_ = after(window_);
    while (window_ > 0 && cells(before(window_), size_) <= text_columns()) {
        window_ = before(window_);
    }
}

unsigned LineEditor::cells(std::size_t first, std::size_t end) const {
    std::string_view rest = text(first, end);
    unsigned count = 0;
    while (!rest.empty()) count += cells_of(take_code_point(rest));
    return count;
}

bool LineEditor::prompt_shown() const { return prompt_cells_ + min_text_columns < columns_; }

/// For the line's text; the last column stays free for the cursor behind it.
unsigned LineEditor::text_columns() const {
    const unsigned taken = (prompt_shown() ? prompt_cells_ : 0) + 1;
    return columns_ > taken ? columns_ - taken : 1;
}

} // namespace lib
