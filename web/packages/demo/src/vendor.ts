import "react";
import "react/jsx-runtime";
import "react-dom/client";
