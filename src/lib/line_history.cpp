// SPDX-License-Identifier: MIT
// The lines entered before.
#include "lib/line_history.hpp"

#include <algorithm>

namespace lib {

void LineHistory::add(std::string_view line) {
    if (line.empty() || line.size() >= storage_.size() ||
        std::ranges::find(line, '\0') != line.end())
        return;
    if (count_ != 0 && at(0) == line) return;
    while (storage_.size() - used_ < line.size() + 1) {
        const auto kept = storage_.first(used_);
        const auto end = std::ranges::find(kept, '\0') + 1; // of the oldest
        std::copy(end, kept.end(), kept.begin());
        used_ -= static_cast<std::size_t>(end - kept.begin());
        --count_;
    }
    const auto free = storage_.subspan(used_);
    std::ranges::copy(line, free.begin());
    free[line.size()] = '\0';
    used_ += line.size() + 1;
    ++count_;
}

std::string_view LineHistory::at(std::size_t age) const {
    std::size_t end = used_ - 1; // the newest line's NUL
    for (;;) {
        std::size_t start = end;
        while (start > 0 && storage_[start - 1] != '\0') --start;
        if (age == 0) return {storage_.data() + start, end - start};
        --age;
        end = start - 1;
    }
}

} // namespace lib
