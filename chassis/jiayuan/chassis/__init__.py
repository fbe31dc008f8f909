"""What every service stands on. The only package that knows nameko, kombu and eventlet."""

import warnings

# The choice of eventlet is the form's; docs/adr says what follows. Operators can't do anything with the warning.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
